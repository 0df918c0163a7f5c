//! Tables of what was measured, ratios against targets, and whether these were reached.

use std::fmt;

use crate::load::Round;

/// What a ratio has to be.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// Only to be known.
    None,
}

/// One figure: who was measured, and how we stand beside them.
pub(crate) struct Report {
    title: String,
    measured: Vec<[String; 6]>,
    ratios: Vec<(String, Vec<f64>, Target)>,
}

impl Report {
    pub(crate) fn new(title: &str) -> Self {
        Self { title: title.to_owned(), measured: Vec::new(), ratios: Vec::new() }
    }

    /// Adds the rounds of one process.
    pub(crate) fn measured(&mut self, who: &str, clients: usize, rounds: &[Round]) {
        let show = |values: Vec<f64>, scale: f64, digits: usize| match median(values) {
            Some(value) => format!("{:.digits$}", value * scale),
            None => "–".to_owned(),
        };
        let percentile = |percent| rounds.iter().filter_map(|round| round.percentile(percent)).collect::<Vec<_>>();
        self.measured.push([
            who.to_owned(),
            clients.to_string(),
            show(rounds.iter().map(|round| round.rate).collect(), 1.0, 0),
            show(percentile(50), 1e3, 2),
            show(percentile(99), 1e3, 2),
            show(rounds.iter().filter_map(|round| round.cpu).collect(), 1e6, 0),
        ]);
    }

    /// Adds a ratio: one value for each pair of rounds.
    pub(crate) fn ratio(&mut self, name: &str, (ours, rival): (&[Round], &[Round]), of: impl Fn(&Round) -> f64, target: Target) {
        let values = ours.iter().zip(rival).map(|(ours, rival)| of(ours) / of(rival)).collect();
        self.ratios.push((name.to_owned(), values, target));
    }

    /// Whether nothing has missed its target.
    pub(crate) fn is_reached(&self) -> bool {
        self.ratios.iter().all(|(_, values, target)| is_reached(values, *target))
    }
}

fn is_reached(values: &[f64], target: Target) -> bool {
    median(values.to_vec()).is_some_and(|value| match target {
        Target::AtLeast(bound) => value >= bound,
        Target::AtMost(bound) => value <= bound,
        Target::None => true,
    })
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    let lower = values.get((values.len() - 1) / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

impl fmt::Display for Report {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(to, "## {}\n", self.title)?;
        writeln!(to, "| | clients | a second | p50 ms | p99 ms | CPU µs each |\n| --- | ---: | ---: | ---: | ---: | ---: |")?;
        for row in &self.measured {
            writeln!(to, "| {} |", row.join(" | "))?;
        }
        writeln!(to, "\n| ratio | median | least | most | target | |\n| --- | ---: | ---: | ---: | ---: | --- |")?;
        for (name, values, target) in &self.ratios {
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let wanted = match target {
                Target::AtLeast(bound) => format!("≥ {bound:.2}"),
                Target::AtMost(bound) => format!("≤ {bound:.2}"),
                Target::None => String::new(),
            };
            let verdict = match target {
                Target::None => "",
                Target::AtLeast(_) | Target::AtMost(_) if is_reached(values, *target) => "reached",
                Target::AtLeast(_) | Target::AtMost(_) => "MISSED",
            };
            let middle = median(values.clone()).unwrap_or(f64::NAN);
            writeln!(to, "| {name} | {middle:.2} | {least:.2} | {most:.2} | {wanted} | {verdict} |")?;
        }
        Ok(())
    }
}
