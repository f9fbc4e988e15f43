//! Merkle tree of RFC 9162 §2.1: root and inclusion path, for batch signatures.

use sha2::{Digest as _, Sha256};

/// A tree node: SHA-256.
pub type Hash = [u8; 32];

/// Leaf hash: SHA-256(0x00 ‖ data).
pub fn leaf_hash(data: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(data).finalize().into()
}

/// A tree over at least one leaf: its root, and the audit path of each leaf, from the leaf upwards (RFC 9162 §2.1.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Its root.
    pub root: Hash,
    /// The path of each leaf, in order.
    pub paths: Vec<Vec<Hash>>,
}

impl Tree {
    /// The tree over `leaves`. Each of its nodes is hashed once.
    pub fn new(leaves: &[Hash]) -> Self {
        let mut paths = vec![Vec::new(); leaves.len()];
        let root = grow(leaves, &mut paths);
        Self { root, paths }
    }
}

/// The root over `leaves`; their paths so far are led up to it.
fn grow(leaves: &[Hash], paths: &mut [Vec<Hash>]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        _ => {
            let at = split(leaves.len());
            let (left, right) = paths.split_at_mut(at);
            let (left_root, right_root) = (grow(&leaves[..at], left), grow(&leaves[at..], right));
            for (half, sibling) in [(left, right_root), (right, left_root)] {
                for path in half {
                    path.push(sibling);
                }
            }
            node_hash(&left_root, &right_root)
        }
    }
}

/// Number of hashes on the path of leaf `index` in a tree of `size` leaves.
pub fn path_len(index: usize, size: usize) -> usize {
    if size <= 1 {
        return 0;
    }
    let at = split(size);
    1 + if index < at { path_len(index, at) } else { path_len(index - at, size - at) }
}

/// The root that `leaf` at `index` of `size` leads to over `path`; `None` if the path has the wrong length.
pub fn root_from_path(leaf: Hash, index: usize, size: usize, path: &[Hash]) -> Option<Hash> {
    if index >= size || path.len() != path_len(index, size) {
        return None;
    }
    Some(climb(leaf, index, size, path))
}

fn climb(leaf: Hash, index: usize, size: usize, path: &[Hash]) -> Hash {
    let Some((sibling, below)) = path.split_last() else { return leaf };
    let at = split(size);
    if index < at {
        node_hash(&climb(leaf, index, at, below), sibling)
    } else {
        node_hash(sibling, &climb(leaf, index - at, size - at, below))
    }
}

/// The largest power of two smaller than `size` (≥ 2).
fn split(size: usize) -> usize {
    size.next_power_of_two() / 2
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::{Hash, Tree, leaf_hash, root_from_path};

    fn leaves(count: u8) -> Vec<Hash> {
        (0..count).map(|n| leaf_hash(&[n])).collect()
    }

    #[test]
    fn every_leaf_of_every_size_leads_to_the_root_and_to_no_other_place() {
        for size in 1..=64_u8 {
            let leaves = leaves(size);
            let Tree { root, paths } = Tree::new(&leaves);
            for (index, path) in paths.iter().enumerate() {
                assert_eq!(root_from_path(leaves[index], index, leaves.len(), path), Some(root));
                let other = (index + 1) % leaves.len();
                if size > 1 {
                    assert_ne!(root_from_path(leaves[index], other, leaves.len(), path), Some(root));
                    assert_eq!(root_from_path(leaves[index], index, leaves.len(), &path[1..]), None);
                }
            }
        }
    }
}
