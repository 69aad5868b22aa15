//! Figures as people read them: medians, and Markdown tables.

/// The median, of those that there are.
pub fn median(figures: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    let (low, high) = (figures.len().checked_sub(1)? / 2, figures.len() / 2);
    Some((figures[low] + figures[high]) / 2.0)
}

/// The least and the most, with so many decimals.
pub fn range(figures: impl IntoIterator<Item = f64>, decimals: usize) -> String {
    let (least, most) = figures
        .into_iter()
        .fold((f64::INFINITY, 0.0_f64), |(least, most), figure| (least.min(figure), most.max(figure)));
    if least > most { "–".to_owned() } else { format!("{least:.decimals$}–{most:.decimals$}") }
}

/// With so many decimals.
pub fn shown(figure: Option<f64>, decimals: usize) -> String {
    figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.decimals$}"))
}

/// A Markdown table whose columns stand under each other; its first line is the head.
pub fn table(lines: &[Vec<String>]) -> String {
    let columns = 0..lines.first().map_or(0, Vec::len);
    let wide = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let width: Vec<usize> = columns.clone().map(wide).collect();
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        for (column, cell) in line.iter().enumerate() {
            let space = " ".repeat(width[column] - cell.chars().count());
            text += &if column == 0 { format!("| {cell}{space} ") } else { format!("| {space}{cell} ") };
        }
        text += "|\n";
        if index == 0 {
            let rule = |column: usize| {
                if column == 0 { "-".repeat(width[0] + 2) } else { "-".repeat(width[column] + 1) + ":" }
            };
            text += &columns.clone().map(|column| format!("|{}", rule(column))).collect::<String>();
            text += "|\n";
        }
    }
    text
}
