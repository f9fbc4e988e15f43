//! Merkle tree of RFC 9162 §2.1: root and inclusion path, for batch signatures.

use sha2::{Digest as _, Sha256};

/// A tree node: SHA-256.
pub type Hash = [u8; 32];

/// Leaf hash: SHA-256(0x00 ‖ data).
pub fn leaf_hash(data: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(data).finalize().into()
}

/// Root of the tree over `leaves`, which must not be empty.
pub fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&root(left), &root(right))
        }
    }
}

/// Audit path of the leaf at `index`, from the leaf upwards (RFC 9162 §2.1.3.1).
pub fn path(leaves: &[Hash], index: usize) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let at = split(leaves.len());
    let (left, right) = leaves.split_at(at);
    let (mut below, sibling) = if index < at {
        (path(left, index), root(right))
    } else {
        (path(right, index.saturating_sub(at)), root(left))
    };
    below.push(sibling);
    below
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
    use super::{Hash, leaf_hash, path, root, root_from_path};

    fn leaves(count: u8) -> Vec<Hash> {
        (0..count).map(|n| leaf_hash(&[n])).collect()
    }

    #[test]
    fn every_leaf_of_every_size_leads_to_the_root_and_to_no_other_place() {
        for size in 1..=64_u8 {
            let leaves = leaves(size);
            let root = root(&leaves);
            for index in 0..usize::from(size) {
                let path = path(&leaves, index);
                assert_eq!(root_from_path(leaves[index], index, leaves.len(), &path), Some(root));
                let other = (index + 1) % leaves.len();
                if size > 1 {
                    assert_ne!(root_from_path(leaves[index], other, leaves.len(), &path), Some(root));
                    assert_eq!(root_from_path(leaves[index], index, leaves.len(), &path[1..]), None);
                }
            }
        }
    }
}
