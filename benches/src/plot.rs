//! Plots as SVG: plain text, no fonts, no script. They show figures that stand in a table as well.
//! It measures nothing. Neighbours: the scenarios make plots, `main` writes them to `docs/plots/`.

use crate::report::number;

#[derive(Clone, Debug)]
pub(crate) struct Plot {
    /// Of the file, without its ending.
    pub(crate) name: &'static str,
    pub(crate) svg: String,
}

/// Figures of all names under a heading.
pub(crate) type Group = (&'static str, Vec<f64>);
/// Points joined to a line, under a label.
pub(crate) type Line = (String, Vec<(f64, f64)>);

const COLOURS: [&str; 8] = ["#1f6feb", "#8250df", "#bf8700", "#1a7f37", "#cf222e", "#0a7ea4", "#6e7781", "#bc4c00"];
/// Room for the longest label, some 36 letters, to the right of lines.
const WIDTH: f64 = 780.0;

/// A horizontal bar for each name in each group, all on one scale.
pub(crate) fn bars(name: &'static str, title: &str, unit: &str, names: &[&str], groups: &[Group]) -> Plot {
    const LABELS: f64 = 200.0;
    const ROW: f64 = 22.0;
    let largest = groups.iter().flat_map(|(_, figures)| figures).copied().fold(0.0, f64::max);
    let scale = (WIDTH - LABELS - 120.0) / if largest > 0.0 { largest } else { 1.0 };
    let (mut body, mut y) = (String::new(), 52.0);
    for (heading, figures) in groups {
        text(&mut body, 12.0, y, "start", &format!("{heading}:"));
        y += 8.0;
        for ((name, figure), colour) in names.iter().zip(figures).zip(COLOURS) {
            text(&mut body, LABELS - 8.0, y + 14.0, "end", name);
            let length = (figure * scale).max(1.0);
            line(
                &mut body,
                format_args!(r#"<rect x="{LABELS}" y="{y:.0}" width="{length:.1}" height="16" fill="{colour}"/>"#),
            );
            text(&mut body, LABELS + length + 6.0, y + 13.0, "start", &format!("{} {unit}", number(*figure)));
            y += ROW;
        }
        y += 24.0;
    }
    Plot { name, svg: document(title, y - 16.0, &body) }
}

/// Lines over one another, from zero upwards.
pub(crate) fn lines(name: &'static str, title: &str, axes: [&str; 2], is_logarithmic: bool, lines: &[Line]) -> Plot {
    const LEFT: f64 = 64.0;
    const TOP: f64 = 48.0;
    const SIZE: [f64; 2] = [440.0, 240.0];
    let place_x = |x: f64| if is_logarithmic { x.max(1.0).log10() } else { x };
    let points = || lines.iter().flat_map(|(_, points)| points.iter().copied());
    let least = points().map(|(x, _)| place_x(x)).fold(f64::INFINITY, f64::min);
    let most = points().map(|(x, _)| place_x(x)).fold(f64::NEG_INFINITY, f64::max);
    let top = round_up(points().map(|(_, y)| y).fold(0.0, f64::max));
    let at = |x: f64, y: f64| {
        let across = if most > least { (place_x(x) - least) / (most - least) } else { 0.5 };
        (LEFT + SIZE[0] * across, TOP + SIZE[1] * (1.0 - y / top))
    };
    let mut body = String::new();
    for quarter in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let y = TOP + SIZE[1] * (1.0 - quarter);
        line(
            &mut body,
            format_args!(
                r##"<line x1="{LEFT}" y1="{y:.1}" x2="{:.1}" y2="{y:.1}" stroke="#d0d7de"/>"##,
                LEFT + SIZE[0]
            ),
        );
        text(&mut body, LEFT - 6.0, y + 4.0, "end", &number(top * quarter));
    }
    let mut marks: Vec<f64> = points().map(|(x, _)| x).collect();
    marks.sort_by(f64::total_cmp);
    marks.dedup();
    if marks.len() > 20 && !is_logarithmic {
        marks = round_marks(least, most);
    }
    let step = marks.len().div_ceil(8).max(1);
    for x in marks.into_iter().step_by(step) {
        text(&mut body, at(x, 0.0).0, TOP + SIZE[1] + 18.0, "middle", &number(x));
    }
    for (((label, points), colour), row) in lines.iter().zip(COLOURS.iter().cycle()).zip(0_u32..) {
        let path: Vec<String> = points.iter().map(|(x, y)| at(*x, *y)).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        line(
            &mut body,
            format_args!(r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#, path.join(" ")),
        );
        let y = TOP + 8.0 + 18.0 * f64::from(row);
        line(&mut body, format_args!(r#"<rect x="520" y="{:.0}" width="10" height="10" fill="{colour}"/>"#, y - 9.0));
        text(&mut body, 536.0, y, "start", label);
    }
    let [across, up] = axes;
    text(&mut body, LEFT + SIZE[0] / 2.0, TOP + SIZE[1] + 38.0, "middle", across);
    text(&mut body, 12.0, TOP - 10.0, "start", up);
    Plot { name, svg: document(title, TOP + SIZE[1] + 52.0, &body) }
}

fn document(title: &str, height: f64, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" \
         height=\"{height:.0}\" font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n\
         <title>{title}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"12\" y=\"24\" font-size=\"15\" font-weight=\"bold\" fill=\"#1f2328\">{title}</text>\n{body}</svg>\n"
    )
}

fn text(body: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    line(body, format_args!(r##"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" fill="#1f2328">{text}</text>"##));
}

fn line(body: &mut String, text: std::fmt::Arguments<'_>) {
    body.push_str(&text.to_string());
    body.push('\n');
}

/// At most eight round figures, for a line of many points.
fn round_marks(least: f64, most: f64) -> Vec<f64> {
    let step = round_up((most - least) / 7.0);
    (0..8_u8).map(|count| ((least / step).ceil() + f64::from(count)) * step).take_while(|mark| *mark <= most).collect()
}

/// To one, two or five times a power of ten.
fn round_up(figure: f64) -> f64 {
    if figure <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(figure.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= figure * 0.999).unwrap_or(figure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_ends_at_a_round_figure() {
        for (figure, end) in [(0.0, 1.0), (0.03, 0.05), (1.0, 1.0), (7.0, 10.0), (61.4, 100.0), (1_200.0, 2_000.0)] {
            assert!((round_up(figure) - end).abs() < 1e-9, "{figure} ends at {}", round_up(figure));
        }
    }

    #[test]
    fn a_line_of_many_points_is_marked_at_round_figures() {
        assert_eq!(round_marks(0.0, 34.2), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0]);
        assert_eq!(round_marks(1.0, 100.0), [20.0, 40.0, 60.0, 80.0, 100.0]);
    }

    #[test]
    fn the_longest_bar_and_the_highest_point_stay_within_the_plot() {
        let plot = bars("x", "t", "ms", &["a <b>", "c"], &[("first", vec![1.0, 4.0])]);
        assert!(plot.svg.contains("a &lt;b>") && plot.svg.contains(r#"width="460.0""#), "{}", plot.svg);
        let plot = lines("x", "t", ["jobs", "ms"], true, &[("a".to_owned(), vec![(1_000.0, 2.0), (1e6, 5.0)])]);
        assert!(plot.svg.contains(r#"points="64.0,192.0 504.0,48.0""#), "{}", plot.svg);
    }
}
