//! Writes `corpus/decode`: small files of every kind.

use std::{fs, path::Path};

#[path = "../tests/support/mod.rs"]
mod support;

use support::{
    Picture,
    encoder::{Layout, encode},
};

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/decode");
    fs::create_dir_all(&folder)?;
    let samplings: [&[(usize, usize)]; 6] = [
        &[(1, 1)],
        &[(1, 1), (1, 1), (1, 1)],
        &[(2, 2), (1, 1), (1, 1)],
        &[(2, 1), (1, 1), (1, 1)],
        &[(1, 2), (1, 1), (1, 1)],
        &[(3, 2), (1, 1), (2, 1)],
    ];
    let mut seed = 0;
    for sampling in samplings {
        for (restart, separate, progressive) in [(0, false, false), (2, false, false), (1, true, false), (0, false, true), (3, false, true)] {
            seed += 1;
            let picture = Picture::random(seed, 20 + seed as usize, 37, sampling, seed % 5 == 0);
            let file = encode(&picture, &Layout { restart, separate, progressive, seed });
            let request = [(seed * 7 % 16) as u8, 1, 0, 3, 4];
            fs::write(folder.join(format!("{seed:02}")), [&request[..], &file].concat())?;
        }
    }
    Ok(())
}
