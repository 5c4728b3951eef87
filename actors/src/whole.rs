//! Whole persons out of shares: what a forecast expects, and what a made-up past is made of.
//!
//! Owns the rounding only; which shares are taken is the callers': the forecast, the reports and the
//! demo's past. No I/O.

/// The nearest whole number; 0 for less than that, and for what is no number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range")]
pub fn rounded(number: f64) -> u32 {
    number.round().clamp(0.0, f64::from(u32::MAX)) as u32
}

/// Whole numbers with the same running sums as the parts, but for rounding.
pub fn parts(parts: impl Iterator<Item = f64>) -> Vec<u32> {
    let (mut sum, mut told) = (0.0, 0);
    parts
        .map(|part| {
            sum += part;
            let here = rounded(sum).saturating_sub(told);
            told += here;
            here
        })
        .collect()
}

/// A handful as a number to reckon with: quarters of a day, minutes, gates.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
pub fn as_f64(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_whole_and_nothing_is_less_than_nobody() {
        assert_eq!(parts([0.4; 5].into_iter()), [0, 1, 0, 1, 0]);
        assert_eq!(parts([2.5, -1.0, 0.6].into_iter()), [3, 0, 0]);
        assert_eq!([rounded(-3.0), rounded(2.5), rounded(f64::NAN)], [0, 3, 0]);
        assert_eq!(rounded(1e12), u32::MAX);
    }
}
