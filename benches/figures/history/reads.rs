//! Reads of any version while nothing is cached, beside reads of the current one.
//!
//! All versions are read a few times in turns; those that were slowest then are read more often,
//! each time right after the current version, and the slowest of these counts. Each answer's bytes
//! were proven by the server, or it would not have answered.

use std::time::Instant;

use super::size::{History, PATH};
use crate::Res;
use crate::look::Look;
use crate::process::Server;
use crate::report::median;
use crate::wire::{Connection, Request};

/// How often every version is read.
const PASSES: usize = 5;
/// How many of the slowest are looked at again, and how often.
const SLOWEST: usize = 10;
const TIMES: usize = 41;
/// How many reads come before any that is timed.
const WARM_UP: usize = 50;

/// What reads came to, in seconds.
pub(super) struct Reads {
    pub(super) most_steps: f64,
    number: usize,
    steps: u32,
    /// The slowest version's times beside the current version's right before.
    pub(super) ratios: Vec<f64>,
    pub(super) slowest: f64,
    pub(super) current: f64,
    /// How many steps, how many versions, their median and their slowest in milliseconds.
    pub(super) by_steps: Vec<[String; 4]>,
}

impl Reads {
    pub(super) fn name(&self) -> String {
        format!(
            "nothing cached, the slowest version ({}, {} steps) / the current one",
            self.number, self.steps
        )
    }
}

fn seconds(connection: &mut Connection, request: &Request) -> Res<f64> {
    let began = Instant::now();
    connection.exchange(request)?;
    Ok(began.elapsed().as_secs_f64())
}

/// Reads all versions of a history.
pub(super) fn take(history: &History) -> Res<Reads> {
    let steps = Look::into(&history.data())?.steps()?;
    let server = Server::on(&history.data(), &["--cache-size", "0"])?;
    let mut connection = server.connect()?;
    let current = Request::get(PATH, &server.secret);
    let version =
        |number: usize| Request::get(&format!("{PATH}/versions/{number}"), &server.secret);
    for _ in 0..WARM_UP {
        connection.exchange(&current)?;
    }
    let mut times = vec![Vec::new(); history.versions];
    for pass in 1..=PASSES {
        eprintln!(
            "history: reading {} versions, {pass} of {PASSES}",
            history.versions
        );
        for (index, times) in times.iter_mut().enumerate() {
            times.push(seconds(&mut connection, &version(index + 1))?);
        }
    }
    let medians: Vec<f64> = times.into_iter().filter_map(median).collect();
    let mut order: Vec<usize> = (0..medians.len()).collect();
    order.sort_unstable_by(|one, other| medians[*other].total_cmp(&medians[*one]));
    let mut slowest: Option<Reads> = None;
    for index in order.into_iter().take(SLOWEST) {
        let reads = one(
            &mut connection,
            [&current, &version(index + 1)],
            (index, &steps),
        )?;
        if slowest
            .as_ref()
            .is_none_or(|slowest| median(slowest.ratios.clone()) < median(reads.ratios.clone()))
        {
            slowest = Some(reads);
        }
    }
    server.stop()?;
    let reads = slowest.ok_or("no version was read")?;
    Ok(Reads {
        by_steps: by_steps(&steps, &medians),
        ..reads
    })
}

/// One version beside the current one, in turns.
fn one(
    connection: &mut Connection,
    [current, version]: [&Request; 2],
    (index, steps): (usize, &[u32]),
) -> Res<Reads> {
    let (mut currents, mut versions) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        currents.push(seconds(connection, current)?);
        versions.push(seconds(connection, version)?);
    }
    Ok(Reads {
        most_steps: steps.iter().copied().max().map_or(f64::NAN, f64::from),
        number: index + 1,
        steps: steps[index],
        ratios: versions
            .iter()
            .zip(&currents)
            .map(|(version, current)| version / current)
            .collect(),
        slowest: median(versions).ok_or("no reads")?,
        current: median(currents).ok_or("no reads")?,
        by_steps: Vec::new(),
    })
}

fn by_steps(steps: &[u32], medians: &[f64]) -> Vec<[String; 4]> {
    let most = steps.iter().copied().max().unwrap_or_default();
    let row = |wanted: u32| {
        let those: Vec<f64> = steps
            .iter()
            .zip(medians)
            .filter(|(steps, _)| **steps == wanted)
            .map(|(_, seconds)| seconds * 1e3)
            .collect();
        let slowest = those.iter().copied().fold(f64::NAN, f64::max);
        [
            wanted.to_string(),
            those.len().to_string(),
            format!("{:.1}", median(those).unwrap_or(f64::NAN)),
            format!("{slowest:.1}"),
        ]
    };
    (0..=most).map(row).collect()
}
