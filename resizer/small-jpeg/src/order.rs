//! The order of coefficients: from low to high frequencies, as files hold them, and by columns, as the transform leaves them.
//!
//! On the ground.

/// Where the coefficient at a place of the zigzag lies in a block, which holds the vertical frequencies of each horizontal one.
pub(crate) const ZIGZAG: [u8; 64] = zigzag();

const fn zigzag() -> [u8; 64] {
    let mut order = [0; 64];
    let (mut across, mut down) = (0_u8, 0_u8);
    let mut at = 0;
    while at < 64 {
        order[at] = across * 8 + down;
        if (across + down) % 2 == 0 {
            if across == 7 {
                down += 1;
            } else {
                across += 1;
                down = down.saturating_sub(1);
            }
        } else if down == 7 {
            across += 1;
        } else {
            down += 1;
            across = across.saturating_sub(1);
        }
        at += 1;
    }
    order
}

/// For each eight coefficients of a block, and each set of them, the set of their places in the zigzag.
static PLACES: [[u64; 256]; 8] = places();

const fn places() -> [[u64; 256]; 8] {
    let mut of = [0_usize; 64];
    let mut at = 0;
    while at < 64 {
        of[ZIGZAG[at] as usize] = at;
        at += 1;
    }
    let mut places = [[0; 256]; 8];
    let mut column = 0;
    while column < 8 {
        let mut set = 0;
        while set < 256 {
            let mut bit = 0;
            while bit < 8 {
                if set >> bit & 1 == 1 {
                    places[column][set] |= 1 << of[column * 8 + bit];
                }
                bit += 1;
            }
            set += 1;
        }
        column += 1;
    }
    places
}

/// The places in the zigzag of the coefficients for which `flags` is 1 and not 0.
pub(crate) fn places_of(flags: &[u8; 64]) -> u64 {
    let (columns, _) = flags.as_chunks::<8>();
    columns.iter().zip(&PLACES).fold(0, |set, (column, places)| {
        // the multiplication gathers the lowest bit of each byte in the highest byte
        let bits = u64::from_le_bytes(*column).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        set | places[(bits & 0xFF) as usize]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_coefficients_become_sets_of_places() {
        for place in 0..64 {
            let mut flags = [0; 64];
            flags[usize::from(ZIGZAG[place])] = 1;
            assert_eq!(places_of(&flags), 1 << place);
        }
        assert_eq!(places_of(&[1; 64]), u64::MAX);
        // (horizontal, vertical): 0,0 1,0 0,1 0,2 1,1 2,0
        assert_eq!(ZIGZAG[..6], [0, 8, 1, 2, 9, 16]);
    }
}
