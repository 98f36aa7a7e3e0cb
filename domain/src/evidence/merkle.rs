//! The Merkle tree hash of RFC 6962, section 2.1, over a stream of leaves.

use sha2::{Digest, Sha256};

use crate::hash::Hash;

/// Folds leaves into a tree hash in memory that grows with the logarithm of their number.
///
/// Holds the roots of the perfect subtrees on the left: one for every bit set in `leaves`.
#[derive(Debug, Clone, Default)]
pub struct MerkleTree {
    roots: Vec<Hash>,
    leaves: u64,
}

impl MerkleTree {
    /// Adds one leaf: `SHA-256(0x00 || data)`.
    pub fn push(&mut self, data: &[u8]) {
        let mut node = Hash(Sha256::new().chain_update([0]).chain_update(data).finalize().into());
        let mut size = self.leaves;
        while size & 1 == 1 {
            if let Some(left) = self.roots.pop() {
                node = interior(&left, &node);
            }
            size >>= 1;
        }
        self.roots.push(node);
        self.leaves += 1;
    }

    pub fn leaves(&self) -> u64 {
        self.leaves
    }

    /// The tree hash; of no leaves, the hash of the empty string.
    pub fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev();
        let Some(&last) = roots.next() else { return Hash::of(b"") };
        roots.fold(last, |right, left| interior(left, &right))
    }
}

/// `SHA-256(0x01 || left || right)`.
fn interior(left: &Hash, right: &Hash) -> Hash {
    Hash(
        Sha256::new()
            .chain_update([1])
            .chain_update(left.0)
            .chain_update(right.0)
            .finalize()
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition of RFC 6962 as it is written there: split at the largest power of two.
    fn by_definition(leaves: &[Vec<u8>]) -> Hash {
        match leaves {
            [] => Hash::of(b""),
            [leaf] => Hash::of(&[&[0], leaf.as_slice()].concat()),
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                interior(&by_definition(&leaves[..split]), &by_definition(&leaves[split..]))
            }
        }
    }

    proptest! {
        #[test]
        fn the_stream_gives_the_hash_of_the_definition(
            leaves in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..80)
        ) {
            let mut tree = MerkleTree::default();
            for leaf in &leaves {
                tree.push(leaf);
            }
            prop_assert_eq!(tree.root(), by_definition(&leaves));
            prop_assert_eq!(tree.leaves(), leaves.len() as u64);
        }

        #[test]
        fn two_different_lists_have_different_hashes(
            leaves in proptest::collection::vec(any::<[u8; 4]>(), 1..40), cut in any::<prop::sample::Index>()
        ) {
            let hash = |items: &[[u8; 4]]| {
                let mut tree = MerkleTree::default();
                for leaf in items {
                    tree.push(leaf);
                }
                tree.root()
            };
            let at = cut.index(leaves.len());
            let mut shorter = leaves.clone();
            shorter.remove(at);
            prop_assert_ne!(hash(&leaves), hash(&shorter));
            let mut changed = leaves.clone();
            changed[at][0] ^= 1;
            prop_assert_ne!(hash(&leaves), hash(&changed));
        }
    }
}
