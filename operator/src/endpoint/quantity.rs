//! `500m`, `1Gi`, `2e3` → a number.

/// The value of a Kubernetes quantity, in thousandths.
pub fn parse(text: &str) -> Option<i128> {
    let end = text.find(|character: char| !matches!(character, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits: i128 = format!("{whole}{part}").parse().ok()?;
    let decimals = u32::try_from(part.len()).ok()?;
    let (base, power) = match suffix {
        "n" => (10, -9),
        "u" => (10, -6),
        "m" => (10, -3),
        "" => (10, 0),
        "k" => (10, 3),
        "M" => (10, 6),
        "G" => (10, 9),
        "T" => (10, 12),
        "P" => (10, 15),
        "E" => (10, 18),
        "Ki" => (2, 10),
        "Mi" => (2, 20),
        "Gi" => (2, 30),
        "Ti" => (2, 40),
        "Pi" => (2, 50),
        "Ei" => (2, 60),
        _ => (10, suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    let factor = i128::checked_pow(base, i32::unsigned_abs(power))?;
    let scale = 10i128.checked_pow(decimals)?;
    let thousandths = digits.checked_mul(1000)?;
    // rounded up, as Kubernetes does
    let divided = |value: i128, by: i128| value / by + i128::from(value % by > 0);
    if power < 0 { Some(divided(thousandths, factor.checked_mul(scale)?)) } else { Some(divided(thousandths.checked_mul(factor)?, scale)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_kubernetes_writes() {
        for (text, thousandths) in [
            ("1", 1000),
            ("500m", 500),
            ("0.5", 500),
            ("1.5", 1500),
            ("2e3", 2_000_000),
            ("1Ki", 1_024_000),
            ("0.5Gi", 536_870_912_000),
            ("100u", 1),
            ("-1", -1000),
        ] {
            assert_eq!(parse(text), Some(thousandths), "{text}");
        }
        for text in ["", "m", "1x", "1.2.3", "one", "9e99"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
