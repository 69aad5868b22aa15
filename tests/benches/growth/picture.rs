//! A picture of the tables, SVG: what each tunnel or stream takes, and each request or event beside them, over how many of
//! them are open. A level line says that ten thousand take no more a piece than a hundred.

use std::fmt::Write;

/// A panel's place for its lines, pixels.
const WIDTH: f64 = 220.0;
const HEIGHT: f64 = 92.0;

/// What is around that.
const LEFT: f64 = 52.0;
const TOP: f64 = 22.0;
const PANEL: (f64, f64) = (LEFT + WIDTH + 28.0, TOP + HEIGHT + 34.0);

/// Room for the titles above the panels, and for the legend below them.
const TITLES: f64 = 30.0;
const LEGEND: f64 = 30.0;

/// Each line's name and colour, in the order of the legend.
const LINES: [(&str, &str); 10] = [
    ("relay", "#0b6e99"),
    ("agents", "#c2570c"),
    ("p50", "#5b8c2a"),
    ("p99", "#8e44ad"),
    ("1 at a time", "#a3a3a3"),
    ("16 at a time", "#555555"),
    ("128 at a time", "#000000"),
    ("new connections, 16 at a time", "#c0392b"),
    ("down", "#2874a6"),
    ("up", "#b7950b"),
];

/// Where a name of the legend ends and the next begins: pixels for its sample, and for a letter.
const SAMPLE: f64 = 46.0;
const LETTER: f64 = 6.2;

/// For so many open, so much.
pub(crate) type Line = Vec<(f64, f64)>;

/// Diagrams below each other.
pub(crate) struct Column {
    pub(crate) title: &'static str,
    pub(crate) panels: Vec<Panel>,
}

/// One diagram.
pub(crate) struct Panel {
    /// Of what goes up, and in which unit.
    says: &'static str,
    lines: Vec<(&'static str, Line)>,
}

/// All columns beside each other.
pub(crate) fn draw(columns: &[Column]) -> String {
    let rows = columns.iter().map(|column| column.panels.len()).max().unwrap_or(0);
    let (width, below) = (PANEL.0 * columns.len() as f64, TITLES + PANEL.1 * rows as f64);
    let height = below + LEGEND;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\" fill=\"#333\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for (index, column) in columns.iter().enumerate() {
        let left = index as f64 * PANEL.0 + LEFT;
        add(
            &mut svg,
            &format!("<text x=\"{left}\" y=\"20\" font-size=\"13\" font-weight=\"bold\">{}</text>\n", column.title),
        );
        for (index, panel) in column.panels.iter().enumerate() {
            panel.draw(&mut svg, left, index as f64 * PANEL.1 + TITLES + TOP);
        }
    }
    let mut left = 20.0;
    for (name, colour) in LINES {
        let middle = below + LEGEND / 2.0;
        add(
            &mut svg,
            &format!(
                "<line x1=\"{left:.0}\" y1=\"{middle}\" x2=\"{:.0}\" y2=\"{middle}\" stroke=\"{colour}\" \
                 stroke-width=\"2\"/>\n<text x=\"{:.0}\" y=\"{}\">{name}</text>\n",
                left + 20.0,
                left + 26.0,
                middle + 4.0
            ),
        );
        left += SAMPLE + LETTER * name.len() as f64;
    }
    svg += "</svg>\n";
    svg
}

impl Panel {
    /// Of lines that the legend has.
    pub(crate) fn new<const N: usize>(says: &'static str, lines: [(&'static str, Line); N]) -> Self {
        Self { says, lines: lines.into() }
    }

    fn draw(&self, svg: &mut String, left: f64, top: f64) {
        let points = || self.lines.iter().flat_map(|(_, line)| line);
        let most = rounded(points().map(|(_, each)| *each).fold(0.0, f64::max));
        let first = points().map(|(open, _)| open.log10()).fold(f64::INFINITY, f64::min);
        let last = points().map(|(open, _)| open.log10()).fold(f64::NEG_INFINITY, f64::max);
        let span = if last > first { last - first } else { 1.0 };
        let across = |open: f64| left + (open.log10() - first) / span * WIDTH;
        let down = |each: f64| top + HEIGHT - (each / most).clamp(0.0, 1.0) * HEIGHT;
        add(svg, &format!("<text x=\"{left}\" y=\"{}\">{}</text>\n", top - 8.0, self.says));
        for step in 0..=4 {
            let each = most * f64::from(step) / 4.0;
            add(
                svg,
                &format!(
                    "<line x1=\"{left}\" y1=\"{0:.1}\" x2=\"{1}\" y2=\"{0:.1}\" stroke=\"#ddd\"/>\n\
                     <text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{4}</text>\n",
                    down(each),
                    left + WIDTH,
                    left - 6.0,
                    down(each) + 4.0,
                    // No more digits than a quarter of a round number has.
                    (each * 1e4).round() / 1e4
                ),
            );
        }
        for (open, _) in self.lines.iter().map(|(_, line)| line).max_by_key(|line| line.len()).into_iter().flatten() {
            add(
                svg,
                &format!(
                    "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                    across(*open),
                    top + HEIGHT + 16.0,
                    thousands(*open as u64)
                ),
            );
        }
        for (name, line) in &self.lines {
            let colour = LINES.iter().find_map(|(named, colour)| (named == name).then_some(*colour));
            let colour = colour.unwrap_or_else(|| panic!("{name} is not in the legend"));
            let places: Vec<(f64, f64)> = line.iter().map(|(open, each)| (across(*open), down(*each))).collect();
            let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            add(
                svg,
                &format!(
                    "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n",
                    path.join(" ")
                ),
            );
            for (x, y) in places {
                add(svg, &format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>\n"));
            }
        }
    }
}

fn add(svg: &mut String, text: &str) {
    svg.write_str(text).expect("a String takes it");
}

/// The next of 1, 2, 4, 8, 10, 20, 40 …, or of tenths of those and so on, that is not less.
fn rounded(most: f64) -> f64 {
    let power = 10_f64.powf(most.max(1e-3).log10().floor());
    [1.0, 2.0, 4.0, 8.0, 10.0].into_iter().map(|step| step * power).find(|top| *top >= most).unwrap_or(most)
}

fn thousands(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    }
}
