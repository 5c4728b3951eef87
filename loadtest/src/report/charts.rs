//! Line charts as inline SVG, made by hand: a few kilobytes each, readable without a script and
//! printable, where a chart library would be a megabyte.

use std::fmt::Write as _;

/// The drawing, in its own units.
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 30.0;

/// Points drawn of a line, at most: more than pixels.
const POINTS_MAX: usize = 1_200;

/// One line of a chart.
pub(super) struct Line {
    /// What it is called in the legend.
    pub(super) name: String,
    /// Points, x ascending.
    pub(super) points: Vec<(f64, f64)>,
}

/// How the axes are.
pub(super) struct Axes<'a> {
    /// What the chart shows.
    pub(super) title: &'a str,
    /// The unit of y.
    pub(super) unit: &'a str,
    /// Whether y is logarithmic: latencies.
    pub(super) log: bool,
    /// The marks of x with their texts; none for seconds.
    pub(super) marks: Option<Vec<(f64, String)>>,
}

/// A chart as a figure with its legend; nothing where no line has a point.
pub(super) fn chart(axes: &Axes<'_>, lines: &[Line]) -> String {
    // A second without an answer has no latency: on a logarithmic axis 0 is no point.
    let good = |(x, y): &&(f64, f64)| x.is_finite() && y.is_finite() && (!axes.log || *y > 0.0);
    let all: Vec<(f64, f64)> =
        lines.iter().flat_map(|line| line.points.iter().filter(good)).copied().collect();
    if all.is_empty() {
        return String::new();
    }
    let min_x = all.iter().map(|p| p.0).fold(f64::INFINITY, f64::min);
    let max_x = all.iter().map(|p| p.0).fold(f64::NEG_INFINITY, f64::max).max(min_x + 1e-9);
    let top = all.iter().map(|p| p.1).fold(0.0, f64::max);
    let scale = if axes.log { Scale::log(&all) } else { Scale::linear(top) };
    let at_x = |x: f64| LEFT + (x - min_x) / (max_x - min_x) * (WIDTH - LEFT - RIGHT);
    let at_y = |y: f64| HEIGHT - BOTTOM - scale.share(y) * (HEIGHT - TOP - BOTTOM);
    let title = escaped(axes.title);
    let mut svg = format!(
        "<figure><figcaption>{title} <span>{}</span></figcaption>\
         <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">",
        escaped(axes.unit)
    );
    for mark in scale.marks() {
        let y = at_y(mark);
        write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            y + 4.0,
            number(mark)
        )
        .ok();
    }
    let seconds = || {
        let step = nice((max_x - min_x) / 8.0);
        let first = (min_x / step).ceil();
        (0..12_u32).map(move |n| (first + f64::from(n)) * step).map(|x| (x, format!("{x} s")))
    };
    let marks = axes.marks.clone().unwrap_or_else(|| seconds().collect());
    for (x, text) in marks.into_iter().filter(|(x, _)| min_x <= *x && *x <= max_x) {
        let (x, y) = (at_x(x), HEIGHT - 10.0);
        write!(
            svg,
            "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{}</text>",
            escaped(&text)
        )
        .ok();
    }
    for (line, n) in lines.iter().zip(0_u32..) {
        let points: Vec<String> = thinned(&line.points)
            .iter()
            .filter(good)
            .map(|&(x, y)| format!("{:.1},{:.1}", at_x(x), at_y(y)))
            .collect();
        write!(svg, "<polyline class=\"l{n}\" points=\"{}\"/>", points.join(" ")).ok();
    }
    svg.push_str("</svg><ul>");
    for (line, n) in lines.iter().zip(0_u32..) {
        write!(svg, "<li class=\"l{n}\">{}</li>", escaped(&line.name)).ok();
    }
    svg.push_str("</ul></figure>");
    svg
}

/// The highest of each so many neighbours: a stall must not be thinned away.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let each = points.len().div_ceil(POINTS_MAX).max(1);
    let highest = |some: &[(f64, f64)]| some.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
    points.chunks(each).filter_map(highest).collect()
}

struct Scale {
    low: f64,
    high: f64,
    log: bool,
}

impl Scale {
    fn linear(top: f64) -> Self {
        let step = nice(top / 4.0);
        Self { low: 0.0, high: (top / step).ceil().max(1.0) * step, log: false }
    }

    fn log(all: &[(f64, f64)]) -> Self {
        let positive = all.iter().map(|p| p.1).filter(|y| *y > 0.0);
        let low = positive.clone().fold(f64::INFINITY, f64::min);
        let high = positive.fold(0.0, f64::max);
        if high <= 0.0 {
            return Self::linear(1.0);
        }
        let low = low.log10().floor();
        Self { low, high: high.log10().ceil().max(low + 1.0), log: true }
    }

    fn share(&self, y: f64) -> f64 {
        let y = if self.log { y.max(1e-12).log10() } else { y };
        ((y - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    fn marks(&self) -> Vec<f64> {
        if self.log {
            let decades = (0..12_u32).map(|n| self.low + f64::from(n));
            return decades.take_while(|at| *at <= self.high).map(|at| 10_f64.powf(at)).collect();
        }
        let step = nice(self.high / 4.0);
        (0..8_u32).map(|n| f64::from(n) * step).take_while(|at| *at <= self.high * 1.001).collect()
    }
}

/// A step of 1, 2 or 5 times a power of ten, not below `least`.
fn nice(least: f64) -> f64 {
    if least <= 0.0 || !least.is_finite() {
        return 1.0;
    }
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0].iter().map(|n| n * power).find(|step| least <= *step).unwrap_or(10.0 * power)
}

/// A number as people read it.
pub(super) fn number(value: f64) -> String {
    let magnitude = value.abs();
    let text = match () {
        () if magnitude >= 1e6 => format!("{:.1} M", value / 1e6),
        () if magnitude >= 1e4 => format!("{:.0} k", value / 1e3),
        () if magnitude >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        () if magnitude >= 1.0 => format!("{value:.2}"),
        () => format!("{value:.3}"),
    };
    if text.contains('.') && !text.contains('M') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Text that cannot be taken for marks of the page.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_a_line_for_each_and_no_text_breaks_out() {
        let axes = Axes { title: "a <b>", unit: "ms", log: true, marks: None };
        let line = |name: &str| Line { name: name.into(), points: vec![(0.0, 1.0), (9.0, 80.0)] };
        let svg = chart(&axes, &[line("p50"), line("<script>")]);
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(!svg.contains("<script>") && svg.contains("a &lt;b&gt;"), "{svg}");
        assert!(svg.contains(">100<") && svg.contains("8 s"), "{svg}");
    }

    #[test]
    fn a_stall_is_not_thinned_away() {
        let mut points: Vec<(f64, f64)> = (0..10_000_u32).map(|n| (f64::from(n), 1.0)).collect();
        points[5_003].1 = 99.0;
        let thin = thinned(&points);
        assert!(thin.len() <= POINTS_MAX && thin.iter().any(|p| p.1 > 98.0));
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            ["0.25", "3.1", "120", "12 k"],
            [0.25, 3.1, 120.4, 12_000.0].map(number).as_slice()
        );
    }
}
