//! What was measured as Markdown tables, figures against their targets, and whether these were
//! reached.

use std::fmt;

use crate::load::Round;

/// What a figure has to be.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// Only to be known.
    None,
}

impl Target {
    fn is_reached(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
            Self::None => true,
        }
    }
}

/// How the values of a figure are shown.
#[derive(Clone, Copy)]
pub(crate) struct Unit {
    name: &'static str,
    digits: usize,
}

pub(crate) const RATIO: Unit = Unit {
    name: "",
    digits: 3,
};
pub(crate) const MILLISECONDS: Unit = Unit {
    name: " ms",
    digits: 1,
};
pub(crate) const MICROSECONDS: Unit = Unit {
    name: " µs",
    digits: 1,
};
pub(crate) const SECONDS: Unit = Unit {
    name: " s",
    digits: 1,
};
pub(crate) const MEBIBYTES: Unit = Unit {
    name: " MiB",
    digits: 1,
};
pub(crate) const MEBIBYTES_A_SECOND: Unit = Unit {
    name: " MiB/s",
    digits: 0,
};
pub(crate) const KIBIBYTES: Unit = Unit {
    name: " KiB",
    digits: 1,
};
pub(crate) const COUNT: Unit = Unit {
    name: "",
    digits: 0,
};

impl Unit {
    fn show(self, value: f64) -> String {
        format!("{value:.*}{}", self.digits, self.name)
    }
}

/// One figure: its values, of which the median counts.
struct Figure {
    name: String,
    values: Vec<f64>,
    unit: Unit,
    target: Target,
}

/// What one name on the command line came to.
pub(crate) struct Report {
    title: String,
    measured: Vec<[String; 6]>,
    figures: Vec<Figure>,
    tables: Vec<String>,
}

impl Report {
    pub(crate) fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            measured: Vec::new(),
            figures: Vec::new(),
            tables: Vec::new(),
        }
    }

    /// Adds the rounds of one process.
    pub(crate) fn measured(&mut self, who: &str, clients: usize, rounds: &[Round]) {
        let show = |values: Vec<f64>, scale: f64, digits: usize| match median(values) {
            Some(value) => format!("{:.digits$}", value * scale),
            None => "–".to_owned(),
        };
        let percentile = |percent| {
            rounds
                .iter()
                .filter_map(|round| round.times.percentile(percent))
                .collect::<Vec<_>>()
        };
        self.measured.push([
            who.to_owned(),
            clients.to_string(),
            show(rounds.iter().map(|round| round.rate).collect(), 1.0, 0),
            show(percentile(50), 1e3, 2),
            show(percentile(99), 1e3, 2),
            show(
                rounds.iter().filter_map(|round| round.cpu).collect(),
                1e6,
                0,
            ),
        ]);
    }

    /// Adds a ratio: one value for each pair of rounds.
    pub(crate) fn ratio(
        &mut self,
        name: &str,
        (ours, rival): (&[Round], &[Round]),
        of: impl Fn(&Round) -> f64,
        target: Target,
    ) {
        let values = ours
            .iter()
            .zip(rival)
            .map(|(ours, rival)| of(ours) / of(rival))
            .collect();
        self.figure(name, values, RATIO, target);
    }

    /// Adds a figure by its values.
    pub(crate) fn figure(&mut self, name: &str, values: Vec<f64>, unit: Unit, target: Target) {
        self.figures.push(Figure {
            name: name.to_owned(),
            values,
            unit,
            target,
        });
    }

    /// Adds a figure with one value.
    pub(crate) fn value(&mut self, name: &str, value: f64, unit: Unit, target: Target) {
        self.figure(name, vec![value], unit, target);
    }

    /// Adds a table of its own: the first cell of a row is text, the others are right-aligned where
    /// `right` says so.
    pub(crate) fn table<const N: usize>(
        &mut self,
        head: [&str; N],
        right: [bool; N],
        rows: &[[String; N]],
    ) {
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.to_vec()).collect();
        self.wide_table(&head.map(str::to_owned), &right, &rows);
    }

    /// The same with as many columns as there are.
    pub(crate) fn wide_table(&mut self, head: &[String], right: &[bool], rows: &[Vec<String>]) {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let side = |right: &bool| if *right { "---:" } else { "---" }.to_owned();
        let sides: Vec<String> = right.iter().map(side).collect();
        let mut table = line(head) + &line(&sides);
        for row in rows {
            table += &line(row);
        }
        self.tables.push(table);
    }

    /// Whether nothing has missed its target.
    pub(crate) fn is_reached(&self) -> bool {
        self.figures.iter().all(Figure::is_reached)
    }
}

impl Figure {
    fn is_reached(&self) -> bool {
        median(self.values.clone()).is_some_and(|value| self.target.is_reached(value))
    }

    fn cells(&self) -> [String; 6] {
        let show = |value| self.unit.show(value);
        let middle = median(self.values.clone()).map_or_else(|| "–".to_owned(), show);
        let extreme = |pick: fn(f64, f64) -> f64| {
            self.values
                .iter()
                .copied()
                .reduce(pick)
                .filter(|_| self.values.len() > 1)
        };
        let (least, most) = (extreme(f64::min), extreme(f64::max));
        let (wanted, verdict) = match self.target {
            Target::AtLeast(bound) => (format!("≥ {}", bounded(bound, self.unit)), self.verdict()),
            Target::AtMost(bound) => (format!("≤ {}", bounded(bound, self.unit)), self.verdict()),
            Target::None => (String::new(), ""),
        };
        [
            self.name.clone(),
            middle,
            least.map_or_else(String::new, show),
            most.map_or_else(String::new, show),
            wanted,
            verdict.to_owned(),
        ]
    }

    fn verdict(&self) -> &'static str {
        if self.is_reached() {
            "reached"
        } else {
            "MISSED"
        }
    }
}

/// A bound as people write it: without digits that say nothing.
fn bounded(bound: f64, unit: Unit) -> String {
    let digits = (0..unit.digits).find(|digits| {
        (bound - format!("{bound:.digits$}").parse().unwrap_or(f64::NAN)).abs() < 1e-9
    });
    format!("{bound:.*}{}", digits.unwrap_or(unit.digits), unit.name)
}

/// The value in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    let lower = values.get((values.len() - 1) / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

impl fmt::Display for Report {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(to, "### {}", self.title)?;
        if !self.measured.is_empty() {
            writeln!(
                to,
                "\n| | clients | a second | p50 ms | p99 ms | CPU µs each |\n| --- | ---: | ---: | \
                    ---: | ---: | ---: |"
            )?;
            self.measured
                .iter()
                .try_for_each(|row| writeln!(to, "| {} |", row.join(" | ")))?;
        }
        if !self.figures.is_empty() {
            writeln!(
                to,
                "\n| figure | median | least | most | target | |\n| --- | ---: | ---: | ---: | \
                    ---: | --- |"
            )?;
            self.figures
                .iter()
                .try_for_each(|figure| writeln!(to, "| {} |", figure.cells().join(" | ")))?;
        }
        self.tables
            .iter()
            .try_for_each(|table| write!(to, "\n{table}"))
    }
}
