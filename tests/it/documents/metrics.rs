//! Every metric that a server has stands in `docs/operation.md` with its labels, and every metric
//! there is one that a server has.

use std::collections::{BTreeMap, BTreeSet};

use super::{OPERATION, markdown, section};
use crate::harness::{Server, Setup, eventually};
use crate::scrape::{Scrape, monitor};
use crate::tls::authority::Site;

/// The section with the table of metrics.
const METRICS: &str = "Metrics";
/// The figures that are Prometheus' own, and how the page names all of them.
const OF_THE_PROCESS: (&str, &str) = ("process_", "process_*");
/// The label of a histogram's buckets.
const BUCKET: &str = "le";

/// Names with their labels.
pub(super) type Metrics = BTreeMap<String, BTreeSet<String>>;

/// The metrics of a scrape: a histogram is one, whatever lines it has.
fn served(scrape: &Scrape) -> Metrics {
    let types = scrape.text.lines().filter_map(|line| {
        let mut words = line.strip_prefix("# TYPE ")?.split_whitespace();
        Some((words.next()?, words.next()?))
    });
    let mut metrics = Metrics::new();
    for (name, kind) in types.filter(|(name, _)| !name.starts_with(OF_THE_PROCESS.0)) {
        let sample = if kind == "histogram" {
            format!("{name}_bucket")
        } else {
            name.to_owned()
        };
        let of_name = scrape.samples.iter().filter(|found| found.name == sample);
        let labels = of_name.flat_map(|found| found.labels.keys().cloned());
        let labels = labels.filter(|label| label != BUCKET).collect();
        metrics.insert(name.to_owned(), labels);
    }
    metrics
}

/// The metrics that the page has.
pub(super) fn told(page: &str) -> Metrics {
    let rows = section(page, METRICS).rows();
    let words = rows.iter().flat_map(|(_, cells)| {
        let words = markdown::in_backticks(&cells[0]).into_iter();
        words.map(str::to_owned).collect::<Vec<_>>()
    });
    let words = words.filter(|word| word != OF_THE_PROCESS.1);
    words
        .map(|word| {
            let (name, labels) = word.split_once('{').unwrap_or((&word, "}"));
            let labels = labels.trim_end_matches('}').split(',');
            let labels = labels.filter(|label| !label.is_empty());
            (name.to_owned(), labels.map(str::to_owned).collect())
        })
        .collect()
}

/// What the page and a server do not agree on.
fn judge(page: &str, served: &Metrics) -> Vec<String> {
    let told = told(page);
    let mut findings = Vec::new();
    for (name, labels) in served {
        match told.get(name) {
            None => findings.push(format!("`{name}` does not stand in docs/operation.md")),
            Some(told) if told != labels => {
                findings.push(format!("`{name}` has the labels {labels:?}, not {told:?}"));
            }
            Some(_) => {}
        }
    }
    let invented = told.keys().filter(|name| !served.contains_key(*name));
    findings.extend(invented.map(|name| format!("no server has `{name}`")));
    findings
}

/// The metrics of a server that has something to tell by each of them.
fn of_a_busy_server() -> Metrics {
    let backups = tempfile::TempDir::new().expect("a directory");
    let setup = Setup::new().flag("--scrub-every", "1s");
    let setup = setup.flag("--backup-dir", backups.path().to_str().expect("UTF-8"));
    let mirror = tempfile::TempDir::new().expect("a directory");
    let setup = setup.flag("--mirror-dir", mirror.path().to_str().expect("UTF-8"));
    let receiver = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let receiver = receiver.local_addr().expect("an address");
    let setup = setup.flag("--syslog", &format!("tcp://{receiver}"));
    let site = Site::new();
    let setup = setup.flag("--tls-cert", &site.flag("server.pem"));
    let setup = setup.flag("--tls-key", &site.flag("server.key"));
    let setup = setup.reached_by(site.authority.client());
    let server: Server = setup.flag("--backup-every", "1s").start();
    let writer = server.key("team", "writer");
    writer.lock("team/net", "held").expect_status(200);
    let state = crate::harness::tfstate("11111111-1111-4111-8111-111111111111", 1);
    writer
        .write("team/net", state, Some("held"))
        .expect_status(200);
    writer.read("team/net").expect_status(200);
    let monitor = monitor(&server);
    let verified = "statekeep_verified_timestamp_seconds";
    let drilled = "statekeep_backup_drill_timestamp_seconds";
    eventually("everything was verified once, and a backup as well", || {
        let scrape = Scrape::of(&monitor);
        [verified, drilled]
            .iter()
            .all(|name| scrape.having(name, &[]).count() == 1)
    });
    served(&Scrape::of(&monitor))
}

#[test]
fn every_metric_stands_in_the_page_and_no_other_does() {
    let served = of_a_busy_server();
    assert!(served.len() > 20, "{served:?}");
    let findings = judge(OPERATION, &served);
    assert!(findings.is_empty(), "{}", findings.join("\n"));

    let cases = [
        (
            "`statekeep_versions`",
            "`statekeep_visions`",
            "`statekeep_versions` does not stand",
        ),
        (
            "`statekeep_versions`",
            "`statekeep_visions`",
            "no server has `statekeep_visions`",
        ),
        (
            "writes_total{outcome}`",
            "writes_total{result}`",
            "`statekeep_writes_total` has the labels",
        ),
    ];
    for (there, planted, beginning) in cases {
        assert!(OPERATION.contains(there), "{there}");
        let findings = judge(&OPERATION.replace(there, planted), &served);
        let is_found = findings
            .iter()
            .any(|finding| finding.starts_with(beginning));
        assert!(is_found, "{planted}: {findings:#?}");
    }
}
