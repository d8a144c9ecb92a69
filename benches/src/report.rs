//! The page: findings as a table, every ratio beside its raw figures, and all single runs below it.
//! It measures nothing and hides nothing: a missed target says so. Neighbour: `notes.md` is the prose of the page.

use crate::plot::Plot;

/// What a scenario brings home.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub(crate) findings: Vec<Finding>,
    pub(crate) plots: Vec<Plot>,
    /// Further pages: where, from the root, and what stands on them.
    pub(crate) pages: Vec<(&'static str, String)>,
}

impl From<Vec<Finding>> for Found {
    fn from(findings: Vec<Finding>) -> Self {
        Self { findings, ..Self::default() }
    }
}

/// What was measured once or more.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    unit: &'static str,
    figures: Vec<f64>,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    what: String,
    ours: Series,
    /// What it is compared with, run in turns with ours.
    beside: Option<(&'static str, Series)>,
    target: Target,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    None,
    /// Of what it is compared with.
    AtLeastPercent(f64),
    /// Of what it is compared with.
    AtMostPercent(f64),
    /// Of what it is compared with, either way.
    WithinPercent(f64),
    /// The median, in the unit of the series.
    AtMost(f64),
    /// The same.
    AtLeast(f64),
}

impl Series {
    pub(crate) fn new(unit: &'static str, figures: impl IntoIterator<Item = f64>) -> Self {
        Self { unit, figures: figures.into_iter().collect() }
    }

    /// Nothing of ours to show.
    pub(crate) fn none() -> Self {
        Self::new("", [])
    }

    fn in_words(&self) -> String {
        if self.figures.is_empty() {
            return String::new();
        }
        format!("{} {}", number(median(self.figures.iter().copied())), self.unit)
    }
}

impl Finding {
    pub(crate) fn new(what: impl Into<String>, ours: Series) -> Self {
        Self { what: what.into(), ours, beside: None, target: Target::None }
    }

    pub(crate) fn beside(self, name: &'static str, series: Series) -> Self {
        Self { beside: Some((name, series)), ..self }
    }

    pub(crate) fn with_target(self, target: Target) -> Self {
        Self { target, ..self }
    }

    /// Ours in percent of the other, pair by pair.
    fn percents(&self) -> Vec<f64> {
        let other = self.beside.iter().flat_map(|(_, series)| &series.figures);
        self.ours.figures.iter().zip(other).map(|(ours, other)| 100.0 * ours / other).collect()
    }

    fn is_met(&self) -> Option<bool> {
        let percent = median(self.percents().into_iter());
        match self.target {
            Target::None => None,
            Target::AtLeastPercent(least) => Some(percent >= least),
            Target::AtMostPercent(most) => Some(percent <= most),
            Target::WithinPercent(most) => Some((percent - 100.0).abs() <= most),
            Target::AtMost(most) => Some(median(self.ours.figures.iter().copied()) <= most),
            Target::AtLeast(least) => Some(median(self.ours.figures.iter().copied()) >= least),
        }
    }

    fn row(&self) -> String {
        let beside =
            self.beside.as_ref().map_or(String::new(), |(name, series)| format!("{name}: {}", series.in_words()));
        let percents = self.percents();
        let ratio = match (smallest(&percents), largest(&percents)) {
            (Some(least), Some(most)) => {
                format!("**{:.0} %** ({least:.0}–{most:.0})", median(percents.iter().copied()))
            }
            _ => String::new(),
        };
        let target = match self.target {
            Target::None => String::new(),
            Target::AtLeastPercent(least) => format!("≥ {least:.0} %"),
            Target::AtMostPercent(most) => format!("≤ {most:.0} %"),
            Target::WithinPercent(most) => format!("± {most:.0} %"),
            Target::AtMost(most) => format!("≤ {} {}", number(most), self.ours.unit),
            Target::AtLeast(least) => format!("≥ {} {}", number(least), self.ours.unit),
        };
        let met = self.is_met().map_or("", |met| if met { "yes" } else { "**no**" });
        format!("| {} | {} | {beside} | {ratio} | {target} | {met} |", self.what, self.ours.in_words())
    }

    fn runs(&self) -> String {
        let list = |series: &Series| series.figures.iter().map(|f| number(*f)).collect::<Vec<_>>().join(", ");
        let beside = self.beside.as_ref().map_or(String::new(), |(name, series)| format!("; {name}: {}", list(series)));
        let unit = self.beside.as_ref().map_or(&self.ours, |(_, series)| series).unit;
        format!("- {} ({unit}): {}{beside}", self.what, list(&self.ours))
    }
}

/// `BENCHMARKS.md`.
pub(crate) fn page(machine: &str, runs: u32, found: &Found) -> String {
    let Found { findings, plots, .. } = found;
    let mut page = format!(
        "# Benchmarks\n\nWritten by `make bench`; to measure again, run it on a quiet machine.\n\n{machine}\n\n\
         ## Figures\n\n\
         Medians of {runs} pairs of runs, ours and the other in turns, or of all starts; the ratio is the median of the \
         pairs, with the lowest and the highest in brackets.\n\n\
         | what | Scheduler | beside it | ratio | target | met |\n|---|---|---|---|---|---|\n"
    );
    for finding in findings {
        page += &finding.row();
        page.push('\n');
    }
    page.push('\n');
    for Plot { name, .. } in plots {
        page += &format!("![{name}](docs/plots/{name}.svg)\n\n");
    }
    page += include_str!("notes.md");
    page += "\n## All runs\n\n";
    for finding in findings {
        page += &finding.runs();
        page.push('\n');
    }
    page
}

/// Of none at all, not a number.
pub(crate) fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.get(middle.wrapping_sub(1))) {
        (Some(upper), Some(lower)) if sorted.len().is_multiple_of(2) => f64::midpoint(*upper, *lower),
        (Some(only), _) => *only,
        (None, _) => f64::NAN,
    }
}

/// The figure that so many percent are not above. Of none at all, not a number.
pub(crate) fn percentile(figures: &[f64], percent: usize) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or(f64::NAN)
}

fn smallest(figures: &[f64]) -> Option<f64> {
    figures.iter().copied().min_by(f64::total_cmp)
}

fn largest(figures: &[f64]) -> Option<f64> {
    figures.iter().copied().max_by(f64::total_cmp)
}

/// Three digits or whole, and a comma between thousands.
pub(crate) fn number(figure: f64) -> String {
    let decimals = if figure < 10.0 { 2 } else { usize::from(figure < 100.0) };
    let text = format!("{figure:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut written = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            written.push(',');
        }
        written.push(digit);
    }
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        written.push('.');
        written += fraction;
    }
    written
}

#[expect(clippy::cast_precision_loss, reason = "sizes of processes and files are far below 2^53")]
pub(crate) fn mebibytes(kibibytes: u64) -> f64 {
    kibibytes as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert!(median([].into_iter()).is_nan());
    }

    #[test]
    fn a_percentile_is_a_figure_that_was_measured() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!([50, 99, 100].map(|percent| percentile(&hundred, percent)), [50.0, 99.0, 100.0]);
        assert_eq!(percentile(&[7.0], 99), 7.0);
        assert!(percentile(&[], 50).is_nan());
    }

    #[test]
    fn numbers_have_three_digits_or_are_whole() {
        for (figure, text) in
            [(0.5, "0.5"), (7.234, "7.23"), (8.0, "8"), (45.67, "45.7"), (845.4, "845"), (1_234_567.8, "1,234,568")]
        {
            assert_eq!(number(figure), text);
        }
    }

    #[test]
    fn a_missed_target_says_so() {
        let finding = |ours: [f64; 3], target| {
            let ours = Series::new("jobs/s", ours);
            Finding::new("drain", ours).beside("loop", Series::new("jobs/s", [100.0, 200.0, 400.0])).with_target(target)
        };
        assert_eq!(finding([90.0, 160.0, 200.0], Target::AtLeastPercent(80.0)).is_met(), Some(true));
        assert_eq!(finding([90.0, 158.0, 200.0], Target::AtLeastPercent(80.0)).is_met(), Some(false));
        assert_eq!(finding([111.0, 222.0, 444.0], Target::WithinPercent(10.0)).is_met(), Some(false));
        assert_eq!(finding([91.0, 182.0, 364.0], Target::WithinPercent(10.0)).is_met(), Some(true));
        assert_eq!(finding([90.0, 160.0, 200.0], Target::AtMostPercent(80.0)).is_met(), Some(true));
        assert_eq!(finding([90.0, 164.0, 200.0], Target::AtMostPercent(80.0)).is_met(), Some(false));
        assert_eq!(finding([90.0, 160.0, 200.0], Target::AtMost(159.0)).is_met(), Some(false));
        let row = finding([90.0, 158.0, 200.0], Target::AtLeastPercent(80.0)).row();
        assert_eq!(row, "| drain | 158 jobs/s | loop: 200 jobs/s | **79 %** (50–90) | ≥ 80 % | **no** |");
    }
}
