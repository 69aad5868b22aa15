//! The table, and what it says in words.

use crate::sampler::Measured;
use crate::statistics::{Welch, mann_whitney, quantile, sorted};

/// From here on two kinds count as told apart: chance alone gets as far about once in 150,000 comparisons. It is the
/// threshold of dudect (Reparaz, Balasch, Verbauwhede 2017).
const TOLD_APART: f64 = 4.5;

/// The share of all answers that means are taken of, the fastest.
const KEPT: f64 = 0.95;

/// Compares every kind with the first.
pub(crate) fn print(measured: &[Measured]) {
    let [reference, others @ ..] = measured else { return };
    println!("Microseconds until a refusal was whole; {} samples of each kind.\n", reference.nanos.len());
    println!(
        "| the token is | status | q1 | median | q3 | means differ by, ns | Welch's t | Mann–Whitney's z | reading |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|---:|---|");
    println!("{} – | – | – | what the others are compared with |", begin(reference));
    let mut resolution: f64 = 0.0;
    for other in others {
        let pooled = sorted(&[&*reference.nanos, &*other.nanos].concat());
        let welch = Welch::of(&reference.nanos, &other.nanos, quantile(&pooled, KEPT));
        let (t, z) = (welch.t(), mann_whitney(&reference.nanos, &other.nanos));
        resolution = resolution.max(TOLD_APART * welch.error);
        println!(
            "{} {:+.0} ± {:.0} | {t:+.2} | {z:+.2} | {} |",
            begin(other),
            welch.difference,
            1.96 * welch.error,
            reading(t, z)
        );
    }
    println!("\nMeans (with their 95 % interval) and t are of the fastest {:.0} %, z is of all answers.", 100.0 * KEPT);
    println!(
        "|t| or |z| over {TOLD_APART}: told apart. A difference of {resolution:.0} ns in the means would have been."
    );
    println!(
        "`the same again` is what chance and the machine do: where it is told apart, nothing here is worth anything."
    );
}

fn begin(measured: &Measured) -> String {
    let sorted = sorted(&measured.nanos);
    let micros = |share| quantile(&sorted, share) / 1e3;
    let (q1, median, q3) = (micros(0.25), micros(0.5), micros(0.75));
    format!("| {} | {} | {q1:.2} | {median:.2} | {q3:.2} |", measured.name, measured.status)
}

fn reading(t: f64, z: f64) -> &'static str {
    let apart = |deviate: f64| deviate.abs() > TOLD_APART;
    match (apart(t), apart(z)) {
        (false, false) => "not told apart",
        // Two statistics of the same answers that do not agree on which is slower prove no difference of the work.
        (true, true) if (t > 0.0) != (z > 0.0) => "told apart, but not by how long it takes: look again",
        _ if z + t > 0.0 => "told apart: slower",
        _ => "told apart: faster",
    }
}
