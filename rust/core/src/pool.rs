//! Threads: one pool for each number of threads, kept for the life of the process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::{iter, mem, process};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

/// The pools of process `owner`. After a fork the child finds its parent's pools here, whose threads it does not
/// have; it forgets them and makes its own.
#[derive(Default)]
struct Pools {
    owner: u32,
    by_threads: Option<HashMap<usize, Arc<ThreadPool>>>,
}

static POOLS: Mutex<Pools> = Mutex::new(Pools { owner: 0, by_threads: None });

/// How many threads this process may use: its CPU affinity and cgroup's quota count.
pub fn available() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Call `each` on every task, on up to `threads` threads, of which the calling one is one, and return what each thread kept, in no certain order.
///
/// Each thread has a `fresh` keep of its own for all its tasks, and takes the next task when it is done with one. With
/// one thread, or unless there are `many` tasks, everything runs in the calling thread. No number of threads: as many as
/// are [`available`].
pub fn share<T: Send, K: Send>(
    threads: Option<usize>,
    many: bool,
    tasks: impl Iterator<Item = T> + Send,
    fresh: impl Fn() -> K + Sync,
    each: impl Fn(&mut K, T) + Sync,
) -> Result<Vec<K>> {
    let threads = if many { threads.unwrap_or_else(available) } else { 1 };
    if threads <= 1 {
        let mut kept = fresh();
        tasks.for_each(|task| each(&mut kept, task));
        return Ok(vec![kept]);
    }
    let (tasks, done) = (Mutex::new(tasks), Mutex::new(Vec::with_capacity(threads)));
    let work = || {
        let mut kept = fresh();
        // A lock is poisoned only by a panic in another thread, which ends this call anyway.
        let tasks = iter::from_fn(|| tasks.lock().ok()?.next());
        tasks.for_each(|task| each(&mut kept, task));
        if let Ok(mut done) = done.lock() {
            done.push(kept);
        }
    };
    // The calling thread works too: it need not be woken, and two callers do not wait for each other.
    pool(threads - 1)?.in_place_scope(|scope| {
        (1..threads).for_each(|_| scope.spawn(|_| work()));
        work();
    });
    Ok(done.into_inner().unwrap_or_default())
}

fn pool(threads: usize) -> Result<Arc<ThreadPool>> {
    // A lock that another thread held while this process was forked is never released here: do not wait for it.
    let Ok(mut pools) = POOLS.try_lock() else {
        return build(threads);
    };
    if pools.owner != process::id() {
        mem::forget(pools.by_threads.take());
        pools.owner = process::id();
    }
    let by_threads = pools.by_threads.get_or_insert_with(HashMap::new);
    if let Some(pool) = by_threads.get(&threads) {
        return Ok(Arc::clone(pool));
    }
    let pool = build(threads)?;
    by_threads.insert(threads, Arc::clone(&pool));
    Ok(pool)
}

fn build(threads: usize) -> Result<Arc<ThreadPool>> {
    let name = |index| format!("mlaas4hep-{index}");
    let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build();
    pool.map(Arc::new).map_err(|error| Error::Threads { reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_done_once() {
        let tasks: Vec<usize> = (0..1000).collect();
        for threads in [1, 2, 4] {
            let each = |kept: &mut Vec<usize>, task| kept.push(task);
            let mut done = share(Some(threads), true, tasks.iter().copied(), Vec::new, each).unwrap().concat();
            done.sort_unstable();
            assert_eq!(done, tasks, "{threads} threads");
        }
        assert!(available() >= 1);
    }
}
