//! `examples/prometheus`: real Prometheus scrapes the real server by the example, its alerts fire
//! and do not fire as `alerts_test.yml` says, and they speak of metrics that there are.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::{text, with};
use crate::harness::{Server, Setup, eventually, tfstate};
use crate::scrape::{Scrape, monitor};
use crate::skip;

const KEY_FILE: &str = "/etc/prometheus/statekeep-key";
const LINEAGE: &str = "00000001-1111-4111-8111-111111111111";

#[test]
fn the_alerts_fire_as_their_own_tests_say() {
    let Some(promtool) = skip::program("promtool", "STATEKEEP_PROMTOOL") else {
        return;
    };
    let dir = super::folder().join("prometheus");
    for command in [
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts_test.yml"],
    ] {
        let run = Command::new(&promtool)
            .args(command)
            .current_dir(&dir)
            .output();
        let run = run.expect("it runs");
        let said = [run.stdout, run.stderr].concat();
        assert!(
            run.status.success(),
            "{command:?}: {}",
            String::from_utf8_lossy(&said)
        );
    }
}

#[test]
fn each_alert_has_a_test_in_which_it_fires() {
    let rules: Value = serde_yaml_ng::from_str(&text("prometheus/alerts.yml")).expect("YAML");
    let rules = rules["groups"][0]["rules"].as_array().expect("rules");
    let tests = text("prometheus/alerts_test.yml");
    assert!(rules.len() > 5, "{rules:?}");
    for rule in rules {
        let alert = rule["alert"].as_str().expect("a name");
        let fires = format!("{{alertname=\"{alert}\"}}', value: 1");
        assert!(
            tests.contains(&fires),
            "alerts_test.yml has no case in which {alert} fires"
        );
    }
}

#[test]
fn the_alerts_speak_of_metrics_that_there_are() {
    let backups = TempDir::new().expect("a directory");
    let folder = backups.path().to_str().expect("UTF-8");
    let server = Setup::new().flag("--backup-dir", folder).start();
    let writer = server.key("team", "writer");
    writer
        .write("team/app", tfstate(LINEAGE, 1), None)
        .expect_status(200);
    let scrape = Scrape::of(&monitor(&server));
    let mut there: BTreeSet<&str> = scrape
        .samples
        .iter()
        .map(|sample| sample.name.as_str())
        .collect();
    // Prometheus makes `up` itself. Nothing is verified for the first hours.
    there.extend(["up", "statekeep_verified_timestamp_seconds"]);
    assert!(
        !scrape
            .text
            .contains("\nstatekeep_verified_timestamp_seconds ")
    );

    for name in metrics(&text("prometheus/alerts.yml")) {
        assert!(
            there.contains(name.as_str()),
            "alerts.yml speaks of `{name}`: {there:?}"
        );
    }
    // The label of the writes, and the values that are no refusal.
    let outcomes = scrape.labels("statekeep_writes_total", "outcome");
    assert_eq!(outcomes, BTreeSet::from(["stored".to_owned()]));
}

#[test]
fn the_dashboard_speaks_of_metrics_that_the_page_has() {
    let dashboard: Value = serde_json::from_str(&text("prometheus/dashboard.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let expressions = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().expect("targets"))
        .map(|target| target["expr"].as_str().expect("an expression"));
    let page = std::fs::read_to_string(super::folder().join("../docs/operation.md"));
    let page = page.expect("the page");
    for name in names_in(expressions) {
        // The page has a histogram once, and those of the process by their beginning.
        let stem = name.trim_end_matches("_bucket").trim_end_matches("_count");
        let is_named = stem.starts_with("process_") || page.contains(&format!("`{stem}"));
        assert!(is_named, "dashboard.json speaks of `{name}`");
    }
}

/// The names in the rules' expressions that look like those of metrics.
fn metrics(rules: &str) -> BTreeSet<String> {
    let rules: Value = serde_yaml_ng::from_str(rules).expect("YAML");
    let rules = rules["groups"][0]["rules"].as_array().expect("rules");
    names_in(
        rules
            .iter()
            .map(|rule| rule["expr"].as_str().expect("an expression")),
    )
}

fn names_in<'a>(expressions: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for expression in expressions {
        let words =
            expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let ours = |word: &&str| word.starts_with("statekeep_") || word.starts_with("process_");
        names.extend(words.filter(ours).map(str::to_owned));
    }
    assert!(names.len() > 5, "{names:?}");
    names
}

#[test]
fn prometheus_scrapes_the_server_and_alerts() {
    let promtool = skip::program("promtool", "STATEKEEP_PROMTOOL");
    let prometheus = skip::program("prometheus", "STATEKEEP_PROMETHEUS");
    let (Some(promtool), Some(prometheus)) = (promtool, prometheus) else {
        return;
    };
    let server = Server::start();
    let dir = TempDir::new().expect("a directory");
    write_configuration(&server, dir.path());
    let mut check = Command::new(promtool);
    check.args(["check", "config", "prometheus.yml"]);
    let checked = check.current_dir(dir.path()).output().expect("it runs");
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stderr)
    );

    let prometheus = Prometheus::start(&prometheus, dir.path());
    eventually("the server is scraped", || {
        prometheus.value("up{job=\"statekeep\"}") == "1"
    });
    eventually("its metrics are there", || {
        prometheus.value("statekeep_ready") == "1"
    });
    let waits = BTreeSet::from(["StatekeepNotVerified".to_owned()]);
    eventually("one alert begins to wait for its day, and no other", || {
        prometheus.alerts() == waits
    });

    let writer = server.key("team", "writer");
    writer
        .write("team/app", tfstate(LINEAGE, 2), None)
        .expect_status(200);
    writer
        .write("team/app", tfstate(LINEAGE, 1), None)
        .expect_status(409);
    let refused = "StatekeepWriteRefused".to_owned();
    eventually("a refused write is an alert", || {
        prometheus.alerts().contains(&refused)
    });
}

/// The example's files, for this server, without TLS, and looking each second.
fn write_configuration(server: &Server, dir: &Path) {
    let key = dir.join("key");
    std::fs::write(&key, server.key("", "monitor").secret()).expect("a file");
    let configuration = with(
        &text("prometheus/prometheus.yml"),
        &[
            ("scheme: https", "scheme: http"),
            ("state.example.net", server.address()),
            (KEY_FILE, key.to_str().expect("UTF-8")),
        ],
    );
    let often = "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\n";
    std::fs::write(
        dir.join("prometheus.yml"),
        format!("{often}{configuration}"),
    )
    .expect("a file");
    std::fs::write(dir.join("alerts.yml"), text("prometheus/alerts.yml")).expect("a file");
}

/// A Prometheus of its own.
struct Prometheus {
    child: Child,
    url: String,
}

impl Prometheus {
    fn start(program: &Path, dir: &Path) -> Self {
        let address = super::proxy::free_address();
        let mut command = Command::new(program);
        command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"]);
        command
            .arg(format!("--web.listen-address={address}"))
            .current_dir(dir);
        let log = std::fs::File::create(dir.join("log")).expect("a file");
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        Self {
            child: child.expect("it starts"),
            url: format!("http://{address}"),
        }
    }

    /// What it answers to a question, null while it does not.
    fn ask(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let client = reqwest::blocking::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        let url = reqwest::Url::parse_with_params(&format!("{}{path}", self.url), query);
        let answer = client.get(url.expect("an address")).send();
        answer
            .and_then(reqwest::blocking::Response::json)
            .unwrap_or_default()
    }

    /// The value of the one sample of an expression, or nothing.
    fn value(&self, expression: &str) -> String {
        let answer = self.ask("/api/v1/query", &[("query", expression)]);
        answer["data"]["result"][0]["value"][1]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// The names of the alerts that fire or are about to.
    fn alerts(&self) -> BTreeSet<String> {
        let answer = self.ask("/api/v1/alerts", &[]);
        let alerts = answer["data"]["alerts"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let names = alerts
            .iter()
            .map(|alert| alert["labels"]["alertname"].as_str());
        names.map(|name| name.expect("a name").to_owned()).collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
