//! Two samples: what they have in common, and how sure one can be that they differ.

/// A value for which as many as this share are less; `sorted` is not empty.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = ((sorted.len() - 1) as f64 * share).round();
    sorted[at as usize]
}

/// The values in order.
pub(crate) fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// Means that are compared.
pub(crate) struct Welch {
    /// Of `b`'s mean from `a`'s.
    pub(crate) difference: f64,
    /// Standard error of that.
    pub(crate) error: f64,
}

impl Welch {
    /// Of those values that are at most `crop`: a single pause of the machine outweighs thousands of answers.
    pub(crate) fn of(a: &[f64], b: &[f64], crop: f64) -> Self {
        let (a, b) = (Moments::of(a, crop), Moments::of(b, crop));
        Self { difference: b.mean - a.mean, error: (a.variance / a.count + b.variance / b.count).sqrt() }
    }

    /// Welch's t. So many samples make it a normal deviate.
    pub(crate) fn t(&self) -> f64 {
        if self.error > 0.0 { self.difference / self.error } else { 0.0 }
    }
}

struct Moments {
    count: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    fn of(values: &[f64], crop: f64) -> Self {
        let kept: Vec<f64> = values.iter().copied().filter(|value| *value <= crop).collect();
        let count = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / count;
        let squares: f64 = kept.iter().map(|value| (value - mean).powi(2)).sum();
        Self { count, mean, variance: squares / (count - 1.0) }
    }
}

/// Mann–Whitney's U of all values as a normal deviate, corrected for ties: positive where those of `b` tend to be
/// greater.
pub(crate) fn mann_whitney(a: &[f64], b: &[f64]) -> f64 {
    let mut pooled: Vec<(f64, bool)> =
        a.iter().map(|value| (*value, false)).chain(b.iter().map(|value| (*value, true))).collect();
    pooled.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    let (mut ranks_of_b, mut ties, mut before) = (0.0, 0.0, 0.0);
    for equal in pooled.chunk_by(|one, other| one.0 == other.0) {
        let count = equal.len() as f64;
        let rank = before + (count + 1.0) / 2.0;
        ranks_of_b += rank * equal.iter().filter(|(_, is_b)| *is_b).count() as f64;
        ties += count.powi(3) - count;
        before += count;
    }
    let (a, b) = (a.len() as f64, b.len() as f64);
    let all = a + b;
    let u = ranks_of_b - b * (b + 1.0) / 2.0;
    let variance = a * b / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    if variance > 0.0 { (u - a * b / 2.0) / variance.sqrt() } else { 0.0 }
}
