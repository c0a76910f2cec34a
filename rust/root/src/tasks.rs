//! Work on many baskets, by all threads at once.

use mlaas4hep_core::pool;

use crate::error::Fault;

/// The position of a basket, and what is wrong with it.
pub(crate) type Failed = (usize, Fault);

/// What a thread keeps, and where it failed.
struct Kept<K> {
    kept: K,
    failed: Option<Failed>,
}

/// Do every task, and return what each thread kept; of several that fail, the failure of the first basket counts.
pub(crate) fn run<T: Send, K: Send + Default>(
    threads: Option<usize>,
    tasks: impl ExactSizeIterator<Item = T> + Send,
    each: impl Fn(&mut K, T) -> Result<(), Failed> + Sync,
) -> Result<Vec<K>, Failed> {
    if tasks.len() == 0 {
        return Ok(Vec::new());
    }
    let many = tasks.len() > 1;
    let fresh = || Kept { kept: K::default(), failed: None };
    let done = pool::share(threads, many, tasks, fresh, |kept: &mut Kept<K>, task| {
        if let Err(failed) = each(&mut kept.kept, task)
            && kept.failed.as_ref().is_none_or(|before| failed.0 < before.0)
        {
            kept.failed = Some(failed);
        }
    });
    let mut done = done.map_err(|error| (0, Fault::Threads(error.to_string())))?;
    match done.iter_mut().filter_map(|kept| kept.failed.take()).min_by_key(|(position, _)| *position) {
        Some(failed) => Err(failed),
        None => Ok(done.into_iter().map(|kept| kept.kept).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_counts() {
        let each = |kept: &mut usize, task: usize| {
            *kept += 1;
            if task % 10 == 7 { Err((task, Fault::Changed)) } else { Ok(()) }
        };
        let (position, _) = run(Some(2), (0..100).rev(), each).unwrap_err();
        assert_eq!(position, 7);
        let kept = run(Some(2), 0..7, each).unwrap();
        assert_eq!(kept.iter().sum::<usize>(), 7);
    }
}
