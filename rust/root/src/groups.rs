//! Which branches have lists of the same lengths: those of one collection.

use std::sync::Arc;

use crate::branch::Branch;
use crate::item::{Item, Items};

/// For each branch the position of the one whose offsets it may share, by all that is known without decoding; its own
/// where there is none before it. That the offsets are equal is seen, or known from before, when baskets are decoded.
pub(crate) fn leaders(branches: &[Arc<Branch>], items: &Items) -> Vec<usize> {
    let mut leaders = Vec::with_capacity(branches.len());
    let mut known: Vec<usize> = Vec::new();
    for (position, branch) in branches.iter().enumerate() {
        if !branch.is_jagged() {
            leaders.push(position);
            continue;
        }
        let candidate =
            |leader: &&usize| !branch.is_apart_from(&branches[**leader]) && may_share(items, **leader, position);
        match known.iter().find(candidate) {
            Some(leader) => leaders.push(*leader),
            None => {
                known.push(position);
                leaders.push(position);
            }
        }
    }
    leaders
}

/// Whether both have the same baskets, with as many numbers in each, and equal starts where these are there.
fn may_share(items: &Items, left: usize, right: usize) -> bool {
    let (left, right) = (items.of[left].clone(), items.of[right].clone());
    let like = |item: &Item| (item.basket, item.entries.clone(), item.numbers, item.was_kept);
    left.len() == right.len()
        && left.zip(right).all(|(left, right)| {
            let starts = |item: usize| items.decoded[item].as_ref().and_then(|decoded| decoded.starts.as_ref());
            let alike = like(&items.items[left]) == like(&items.items[right]);
            alike
                && match (starts(left), starts(right)) {
                    (Some(left), Some(right)) => Arc::ptr_eq(left, right) || left == right,
                    (None, None) => true,
                    _ => false,
                }
        })
}
