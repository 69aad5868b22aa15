//! A picture of the tables, SVG: what each tunnel or stream takes, over how many of them are open. A level line says that
//! ten thousand take no more a piece than a hundred.

use std::fmt::Write;

/// A panel's place for its lines, pixels.
const WIDTH: f64 = 220.0;
const HEIGHT: f64 = 150.0;

/// What is around that.
const LEFT: f64 = 52.0;
const TOP: f64 = 44.0;
const PANEL: (f64, f64) = (LEFT + WIDTH + 28.0, TOP + HEIGHT + 40.0);

/// Room for the legend below the panels.
const LEGEND: f64 = 30.0;

/// Names and colours of the lines, in their order in [`Panel::lines`].
const LINES: [(&str, &str); 2] = [("relay", "#0b6e99"), ("agents", "#c2570c")];

/// One diagram.
pub(crate) struct Panel {
    pub(crate) title: String,
    /// Of what goes up.
    pub(crate) unit: &'static str,
    /// For each of [`LINES`] how many were open, and what each took.
    pub(crate) lines: [Vec<(f64, f64)>; 2],
}

/// All panels, so many beside each other.
pub(crate) fn draw(panels: &[Panel], beside: usize) -> String {
    let columns = panels.len().clamp(1, beside);
    let (width, rows) = (PANEL.0 * columns as f64, panels.len().div_ceil(columns));
    let below = PANEL.1 * rows as f64;
    let height = below + LEGEND;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\" fill=\"#333\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for (index, panel) in panels.iter().enumerate() {
        let (left, top) = ((index % columns) as f64 * PANEL.0 + LEFT, (index / columns) as f64 * PANEL.1 + TOP);
        panel.draw(&mut svg, left, top);
    }
    for (index, (name, colour)) in LINES.iter().enumerate() {
        let (left, middle) = (LEFT + 90.0 * index as f64, below + LEGEND / 2.0);
        add(
            &mut svg,
            &format!(
                "<line x1=\"{left}\" y1=\"{middle}\" x2=\"{}\" y2=\"{middle}\" stroke=\"{colour}\" stroke-width=\"2\"/>\n\
                 <text x=\"{}\" y=\"{}\">{name}</text>\n",
                left + 20.0,
                left + 26.0,
                middle + 4.0
            ),
        );
    }
    svg += "</svg>\n";
    svg
}

impl Panel {
    fn draw(&self, svg: &mut String, left: f64, top: f64) {
        let points = || self.lines.iter().flatten();
        let most = rounded(points().map(|(_, each)| *each).fold(0.0, f64::max));
        let first = points().map(|(open, _)| open.log10()).fold(f64::INFINITY, f64::min);
        let last = points().map(|(open, _)| open.log10()).fold(f64::NEG_INFINITY, f64::max);
        let span = if last > first { last - first } else { 1.0 };
        let across = |open: f64| left + (open.log10() - first) / span * WIDTH;
        let down = |each: f64| top + HEIGHT - (each / most).clamp(0.0, 1.0) * HEIGHT;
        add(
            svg,
            &format!(
                "<text x=\"{left}\" y=\"{}\" font-weight=\"bold\">{}</text>\n<text x=\"{left}\" y=\"{}\">{}</text>\n",
                top - 26.0,
                self.title,
                top - 10.0,
                self.unit
            ),
        );
        for step in 0..=4 {
            let each = most * f64::from(step) / 4.0;
            add(
                svg,
                &format!(
                    "<line x1=\"{left}\" y1=\"{0:.1}\" x2=\"{1}\" y2=\"{0:.1}\" stroke=\"#ddd\"/>\n\
                     <text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{each}</text>\n",
                    down(each),
                    left + WIDTH,
                    left - 6.0,
                    down(each) + 4.0
                ),
            );
        }
        for (open, _) in self.lines.iter().max_by_key(|line| line.len()).into_iter().flatten() {
            add(
                svg,
                &format!(
                    "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                    across(*open),
                    top + HEIGHT + 18.0,
                    thousands(*open as u64)
                ),
            );
        }
        for (line, (_, colour)) in self.lines.iter().zip(LINES) {
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

/// The next of 1, 2, 4, 8, 10, 20, 40 … that is not less.
fn rounded(most: f64) -> f64 {
    let power = 10_f64.powf(most.max(1.0).log10().floor());
    [1.0, 2.0, 4.0, 8.0, 10.0].into_iter().map(|step| step * power).find(|top| *top >= most).unwrap_or(most)
}

fn thousands(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    }
}
