//! Bytes → a short text that is another one for other bytes, the same in every version of the operator.

use sha2::{Digest, Sha256};

/// The fingerprint of `parts`; where one ends and the next begins matters.
pub fn fingerprint(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let first = hash.finalize().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    format!("{first:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_changes_but_with_the_content() {
        assert_eq!(fingerprint(&[b"id", b"key"]), "430da5c758f786e0");
        assert_ne!(fingerprint(&[b"id", b"key"]), fingerprint(&[b"idk", b"ey"]));
    }
}
