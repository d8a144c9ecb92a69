//! Whether a curve grows: its last third beside the middle one, and its slope. The first third is left out, since
//! everything that is alive at once is there only after four minutes, and pools and caches fill.
//! It measures nothing. Neighbour: `page` has the curves.

use crate::report::median;

/// Points of time in minutes and what was measured then.
pub(crate) type Points = Vec<(f64, f64)>;

/// What may be between the middle third and the last one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    /// Of the middle third.
    pub(crate) percent: f64,
    /// In the unit of the curve, for one that is near zero.
    pub(crate) absolute: f64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    /// Medians of the thirds.
    pub(crate) thirds: [f64; 3],
    /// Over the last two thirds, in units an hour.
    pub(crate) slope: f64,
    pub(crate) is_flat: bool,
}

impl Verdict {
    pub(crate) fn of(points: &Points, allowed: Allowance) -> Self {
        let points: Vec<(f64, f64)> = points.iter().copied().filter(|(_, figure)| figure.is_finite()).collect();
        let third = points.len().div_ceil(3).max(1);
        let mut thirds = [f64::NAN; 3];
        for (median_of, part) in thirds.iter_mut().zip(points.chunks(third)) {
            *median_of = median(part.iter().map(|(_, figure)| *figure));
        }
        let [_, middle, last] = thirds;
        let most = middle + (middle.abs() * allowed.percent / 100.0).max(allowed.absolute);
        let slope = 60.0 * slope(points.get(third..).unwrap_or_default());
        Self { thirds, slope, is_flat: last <= most }
    }
}

/// The median of the slopes between any two points (Theil and Sen): outliers do not turn it.
fn slope(points: &[(f64, f64)]) -> f64 {
    let later = |at: usize| points.get(at + 1..).unwrap_or_default();
    let pairs = points.iter().enumerate().flat_map(|(at, first)| later(at).iter().map(move |second| (first, second)));
    median(pairs.map(|(first, second)| (second.1 - first.1) / (second.0 - first.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENTH: Allowance = Allowance { percent: 10.0, absolute: 0.0 };

    /// Thirty minutes, one point each five seconds.
    fn curve(figure: impl Fn(f64) -> f64) -> Points {
        (0..360).map(|sample| f64::from(sample) / 12.0).map(|minute| (minute, figure(minute))).collect()
    }

    /// Within one of zero, and without a pattern that thirds could see.
    fn noise(minute: f64) -> f64 {
        (minute * 1_234.567).sin()
    }

    #[test]
    fn a_flat_noisy_curve_is_flat_whatever_its_start() {
        let start = |minute: f64| if minute < 5.0 { 10.0 * (5.0 - minute) } else { 0.0 };
        for curve in
            [curve(|minute| 100.0 + 30.0 * noise(minute)), curve(|minute| 50.0 + noise(minute) - start(minute))]
        {
            let verdict = Verdict::of(&curve, TENTH);
            assert!(verdict.is_flat, "{verdict:?}");
            assert!(verdict.slope.abs() < 5.0, "{verdict:?}");
        }
    }

    #[test]
    fn a_growing_curve_is_not_flat_and_its_slope_is_known() {
        // Two units a minute: 130 in the middle of the second third, 150 in that of the last.
        let verdict = Verdict::of(&curve(|minute| 100.0 + 2.0 * minute + 5.0 * noise(minute)), TENTH);
        assert!(!verdict.is_flat, "{verdict:?}");
        assert!((verdict.slope - 120.0).abs() < 3.0, "{verdict:?}");
        assert!((verdict.thirds[2] - 150.0).abs() < 3.0, "{verdict:?}");
    }

    #[test]
    fn one_outlier_turns_nothing_and_a_falling_curve_does_not_grow() {
        let mut spiked = curve(|_| 10.0);
        spiked[300].1 = 1e6;
        assert!(Verdict::of(&spiked, TENTH).is_flat);
        assert!(Verdict::of(&curve(|minute| 100.0 - minute), TENTH).is_flat);
    }

    #[test]
    fn near_zero_the_absolute_allowance_counts() {
        let curve = curve(|minute| if minute < 15.0 { 1.0 } else { 3.0 });
        assert!(!Verdict::of(&curve, TENTH).is_flat);
        assert!(Verdict::of(&curve, Allowance { absolute: 5.0, ..TENTH }).is_flat);
    }

    #[test]
    fn what_was_never_measured_is_not_flat() {
        assert!(!Verdict::of(&Points::new(), TENTH).is_flat);
        assert!(!Verdict::of(&vec![(0.0, f64::NAN), (1.0, f64::NAN)], TENTH).is_flat);
    }
}
