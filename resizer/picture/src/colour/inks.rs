//! Cyan, magenta, yellow and black without a profile → sRGB, near the press that others take for granted.
//!
//! Below `colour`; nothing is above.

/// What paper, and each overprint of full inks, looks like in sRGB: black is the lowest bit of the index, then yellow, magenta, cyan.
/// Fitted by least squares to what sharp 0.35.5 makes of 6,561 mixtures: 6 levels off on average, 50 at the most. What is outside of
/// sRGB is cut off after mixing.
const OVERPRINTS: [[f32; 3]; 16] = [
    [255.0, 255.0, 255.0],
    [27.0, 24.0, 24.0],
    [266.0, 238.0, 11.0],
    [29.0, 24.0, 0.0],
    [243.0, 29.0, 142.0],
    [30.0, 2.0, 12.0],
    [238.0, 31.0, 22.0],
    [28.0, 1.0, -7.0],
    [-39.0, 164.0, 234.0],
    [-1.0, 18.0, 22.0],
    [-20.0, 150.0, 56.0],
    [-1.0, 16.0, -2.0],
    [41.0, 26.0, 126.0],
    [-2.0, -4.0, 12.0],
    [43.0, 30.0, 37.0],
    [-1.0, -4.0, -5.0],
];

/// Dots of the inks lie at random on each other, so each overprint covers its share of the paper (Demichel, 1924).
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped, and casts of floating-point numbers saturate")]
pub(super) fn to_srgb(inks: [u8; 4]) -> [u8; 3] {
    let mut colours = OVERPRINTS;
    for (ink, half) in inks.into_iter().zip([8, 4, 2, 1]) {
        let (without, with) = colours.split_at_mut(half);
        let share = f32::from(ink) / 255.0;
        for (without, with) in without.iter_mut().zip(with) {
            for (channel, inked) in without.iter_mut().zip(with) {
                *channel += (*inked - *channel) * share;
            }
        }
    }
    colours[0].map(|channel| (channel + 0.5).clamp(0.0, 255.0) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What sharp makes of them.
    #[test]
    fn overprints_look_as_in_sharp() {
        for (inks, elsewhere) in [
            ([0, 0, 0, 0], [255, 255, 255]),
            ([255, 0, 0, 0], [0, 153, 227]),
            ([0, 255, 0, 0], [234, 0, 128]),
            ([0, 0, 255, 0], [255, 240, 0]),
            ([0, 255, 255, 0], [232, 0, 0]),
            ([255, 0, 255, 0], [0, 141, 45]),
            ([255, 255, 0, 0], [32, 6, 117]),
            ([0, 0, 0, 128], [134, 133, 132]),
            ([255, 255, 255, 255], [0, 0, 0]),
        ] {
            let made = to_srgb(inks);
            let off = made.iter().zip(elsewhere).map(|(made, elsewhere)| made.abs_diff(elsewhere)).max();
            assert!(off <= Some(31), "{inks:?} is {made:?}, elsewhere {elsewhere:?}");
        }
    }

    #[test]
    fn more_ink_is_never_lighter() {
        for place in 0..4 {
            let mut inks = [64; 4];
            let mut sums = (0..=255).map(|ink| {
                inks[place] = ink;
                to_srgb(inks).iter().map(|&channel| u32::from(channel)).sum::<u32>()
            });
            let first = sums.next();
            assert!(sums.try_fold(first.unwrap(), |last, sum| (sum <= last + 1).then_some(sum)).is_some(), "ink {place}");
        }
    }
}
