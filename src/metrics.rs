//! What is counted and measured while the server works, in Prometheus' words: base units, and names
//! that say them.
//!
//! A server has one [`Metrics`]; its rooms add to it where something happens. What is only true at
//! one moment is set when it is asked for ([`Gauges`]). Labels have few values each, never a name
//! that a client chose.

use prometheus::{
    Encoder as _, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder,
};

/// Bounds of histograms of times, in seconds: from a read in memory to a request that waits for a
/// slow client.
const SECONDS: [f64; 16] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    10.0, 60.0,
];
/// Bounds of the histogram of jobs in a commit.
const JOBS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Everything that is counted and measured.
pub struct Metrics {
    registry: Registry,
    /// Requests by `route`, `method` and `status`, with how long each took.
    pub requests: HistogramVec,
    /// How many connections are open.
    pub connections: IntGauge,
    /// Connections that found no place, by `reason`.
    pub refused_connections: IntCounterVec,
    /// Connections without a request that were closed to make room, by `reason`.
    pub closed_connections: IntCounterVec,
    /// Handshakes of TLS by `result`.
    pub handshakes: IntCounterVec,
    /// Writes of states by `outcome`.
    pub writes: IntCounterVec,
    /// Acts that a quota kept out, by `quota`.
    pub quota_refusals: IntCounterVec,
    /// Tries of webhooks, by `outcome`.
    pub hook_tries: IntCounterVec,
    /// How many jobs each commit holds.
    pub commit_jobs: Histogram,
    /// How long commits take: writing and syncing the WAL.
    pub commit_seconds: Histogram,
    /// How long it takes to move the WAL into the database.
    pub checkpoint_seconds: Histogram,
    /// How long jobs wait for the writer.
    pub queue_seconds: Histogram,
    /// How many jobs wait for the writer or are at it.
    pub queue_jobs: IntGauge,
    /// Reads of decoded versions by `result`.
    pub cache: IntCounterVec,
    /// How long runs of argon2 take.
    pub argon2_seconds: Histogram,
    /// How long credentials wait for their run.
    pub argon2_wait_seconds: Histogram,
    /// Versions that could not be read because they are damaged.
    pub damaged_reads: prometheus::IntCounter,
    /// Versions that were decoded and hashed to see whether they can be.
    pub verified_versions: prometheus::IntCounter,
}

/// What is true at one moment. A value that is unknown is left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gauges {
    /// Bytes that are granted to bodies and working copies.
    pub in_flight: u64,
    /// The most that are granted.
    pub max_in_flight: u64,
    /// Bytes of decoded versions that are kept for the next reader.
    pub cache: u64,
    /// Bytes of the database file.
    pub database: Option<u64>,
    /// Bytes of its WAL.
    pub wal: Option<u64>,
    /// Bytes that are free on its disk.
    pub free_space: Option<u64>,
    /// States that are not deleted.
    pub states: Option<u64>,
    /// Versions.
    pub versions: Option<u64>,
    /// Locks that are held.
    pub locks: Option<u64>,
    /// Those of them on states that have no version yet.
    pub only_locked: Option<u64>,
    /// Locks whose holder can write no more.
    pub dead_locks: Option<u64>,
    /// The age of the oldest of them in seconds; 0 when none is held.
    pub oldest_lock: Option<u64>,
    /// Versions that are known to be damaged.
    pub damaged: u64,
    /// When the last pass of the background verification finished, in seconds since 1970.
    pub last_verified: Option<u64>,
    /// The moment that the newest of the server's own backups holds, in seconds since 1970.
    pub backup_at: Option<u64>,
    /// Bytes of that backup.
    pub backup_size: Option<u64>,
    /// When a backup last went through its drill, in seconds since 1970.
    pub drilled_at: Option<u64>,
    /// 1 when the newest backup is older than it should be, else 0; none without --backup-dir.
    pub backup_overdue: Option<u64>,
    /// 1 when the last try to make a backup failed, else 0.
    pub backup_failed: Option<u64>,
    /// 1 when the last drill failed, else 0.
    pub drill_failed: Option<u64>,
    /// For how many seconds the break-glass folder is behind; 0 when it is not.
    pub mirror_behind: Option<u64>,
    /// For how many seconds the receiver of syslog lacks heads; none without one.
    pub syslog_behind: Option<u64>,
    /// For how many whole days the certificate is good; none for plain HTTP.
    pub tls_days_left: Option<u64>,
    /// 1 when the certificate on the disk was no good when it was last read, else 0.
    pub tls_not_exchanged: Option<u64>,
    /// How many webhooks have failed for ten minutes or longer.
    pub hooks_failing: u64,
    /// 1 when the server can read and write, else 0.
    pub ready: u64,
}

/// Where the value of a gauge is.
type ValueOf = fn(&Gauges) -> Option<u64>;
/// One gauge: its name, its help, and its value.
type Gauge = (&'static str, &'static str, ValueOf);

const GAUGES: [Gauge; 26] = [
    (
        "in_flight_bytes",
        "Bytes granted to bodies, answers and working copies.",
        |now| Some(now.in_flight),
    ),
    (
        "in_flight_limit_bytes",
        "The most bytes that are granted.",
        |now| Some(now.max_in_flight),
    ),
    (
        "cache_bytes",
        "Bytes of decoded versions kept for their next reader.",
        |now| Some(now.cache),
    ),
    ("database_bytes", "Size of the database file.", |now| {
        now.database
    }),
    ("wal_bytes", "Size of the write-ahead log.", |now| now.wal),
    (
        "disk_free_bytes",
        "Free space on the disk of the data directory.",
        |now| now.free_space,
    ),
    ("states", "States that are not deleted.", |now| now.states),
    ("versions", "Versions of all states.", |now| now.versions),
    ("locks_held", "Locks that are held.", |now| now.locks),
    (
        "locks_died",
        "Held locks whose holder can write no more; of the first 10,000.",
        |now| now.dead_locks,
    ),
    (
        "locks_without_version",
        "Locks that are held on states without an accepted version.",
        |now| now.only_locked,
    ),
    (
        "oldest_lock_age_seconds",
        "Age of the oldest lock that is held; 0 when none is.",
        |now| now.oldest_lock,
    ),
    (
        "damaged_versions",
        "Versions that are known to be damaged.",
        |now| Some(now.damaged),
    ),
    (
        "verified_timestamp_seconds",
        "When everything was last verified, in seconds since 1970; absent until it was.",
        |now| now.last_verified,
    ),
    (
        "backup_timestamp_seconds",
        "The moment that the newest backup holds, in seconds since 1970; absent without one.",
        |now| now.backup_at,
    ),
    ("backup_bytes", "Size of the newest backup.", |now| {
        now.backup_size
    }),
    (
        "backup_drill_timestamp_seconds",
        "When a backup last went through its drill, in seconds since 1970; absent until one did.",
        |now| now.drilled_at,
    ),
    (
        "backup_overdue",
        "1 when the newest backup is older than it should be, else 0; absent without --backup-dir.",
        |now| now.backup_overdue,
    ),
    (
        "backup_failed",
        "1 when the last try to make a backup failed, else 0; absent without --backup-dir.",
        |now| now.backup_failed,
    ),
    (
        "backup_drill_failed",
        "1 when the last drill failed, else 0; absent without --backup-dir.",
        |now| now.drill_failed,
    ),
    (
        "mirror_behind_seconds",
        "How long the folder of --mirror-dir is behind; 0 when it is not, absent without one.",
        |now| now.mirror_behind,
    ),
    (
        "syslog_behind_seconds",
        "How long the receiver of --syslog lacks the newest head; absent without one.",
        |now| now.syslog_behind,
    ),
    (
        "hooks_failing",
        "Webhooks that have failed for ten minutes or longer.",
        |now| Some(now.hooks_failing),
    ),
    (
        "tls_certificate_days_left",
        "Whole days until the certificate expires, 0 when it has; absent without TLS.",
        |now| now.tls_days_left,
    ),
    (
        "tls_not_exchanged",
        "1 when the certificate on the disk was no good when last read; absent without TLS.",
        |now| now.tls_not_exchanged,
    ),
    (
        "ready",
        "1 when the server can read and write, else 0.",
        |now| Some(now.ready),
    ),
];

/// Makes metrics and registers each; a name that is taken or malformed is a mistake in this file.
struct Maker<'r>(&'r Registry);

#[expect(
    clippy::expect_used,
    reason = "names are literals of this file, and a test makes them all"
)]
impl Maker<'_> {
    fn keep<M: prometheus::core::Collector + Clone + 'static>(
        &self,
        metric: prometheus::Result<M>,
    ) -> M {
        let metric = metric.expect("a well-formed name");
        self.0
            .register(Box::new(metric.clone()))
            .expect("a name that is not taken");
        metric
    }

    fn histogram(&self, name: &str, help: &str, bounds: &[f64]) -> Histogram {
        self.keep(Histogram::with_opts(
            HistogramOpts::new(named(name), help).buckets(bounds.to_vec()),
        ))
    }

    fn histograms(&self, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
        self.keep(HistogramVec::new(
            HistogramOpts::new(named(name), help).buckets(SECONDS.to_vec()),
            labels,
        ))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.keep(IntCounterVec::new(Opts::new(named(name), help), labels))
    }

    fn build_info(&self) {
        let build = self.keep(prometheus::IntGaugeVec::new(
            Opts::new(named("build_info"), "The version that runs; always 1."),
            &["version"],
        ));
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    }

    /// Its figures come from /proc, which a very bare container may not have: then they are left
    /// out.
    fn process(&self) {
        let process = prometheus::process_collector::ProcessCollector::for_self();
        let _ = self.0.register(Box::new(process));
    }

    /// Counters by `reason`, each of which is there from the start.
    fn reasons(&self, name: &str, help: &str, reasons: &[&str]) -> IntCounterVec {
        let counters = self.counters(name, help, &["reason"]);
        for reason in reasons {
            counters.with_label_values(&[*reason]);
        }
        counters
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::IntCounter {
        self.keep(prometheus::IntCounter::new(named(name), help))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.keep(IntGauge::new(named(name), help))
    }
}

fn named(name: &str) -> String {
    format!("statekeep_{name}")
}

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        let make = Maker(&registry);
        make.build_info();
        make.process();
        Self {
            requests: make.histograms(
                "http_request_duration_seconds",
                "Requests and how long they took.",
                &["route", "method", "status"],
            ),
            connections: make.gauge("connections_open", "Connections that are open."),
            refused_connections: make.reasons(
                "connections_refused_total",
                "Connections that found no place: their address has its share, or all are taken.",
                &["address", "all"],
            ),
            closed_connections: make.reasons(
                "connections_closed_early_total",
                "Connections without a request under way that were closed to make room.",
                &["address", "all"],
            ),
            handshakes: handshakes(&make),
            writes: make.counters(
                "writes_total",
                "Writes of states, by what became of them.",
                &["outcome"],
            ),
            quota_refusals: quota_refusals(&make),
            hook_tries: hook_tries(&make),
            commit_jobs: make.histogram("commit_jobs", "Jobs in one commit.", &JOBS),
            commit_seconds: make.histogram(
                "commit_duration_seconds",
                "Writing and syncing the write-ahead log.",
                &SECONDS,
            ),
            checkpoint_seconds: make.histogram(
                "checkpoint_duration_seconds",
                "Moving the write-ahead log into the database.",
                &SECONDS,
            ),
            queue_seconds: make.histogram(
                "writer_queue_duration_seconds",
                "How long jobs wait for the writer.",
                &SECONDS,
            ),
            queue_jobs: make.gauge(
                "writer_queue_jobs",
                "Jobs that wait for the writer or are at it.",
            ),
            cache: make.counters(
                "cache_reads_total",
                "Reads of decoded versions: hit, or miss and decoded.",
                &["result"],
            ),
            argon2_seconds: make.histogram("argon2_duration_seconds", "Runs of argon2.", &SECONDS),
            argon2_wait_seconds: make.histogram(
                "argon2_wait_duration_seconds",
                "How long credentials wait for their run of argon2.",
                &SECONDS,
            ),
            damaged_reads: make
                .counter("damaged_reads_total", "Reads of versions that are damaged."),
            verified_versions: make.counter(
                "verified_versions_total",
                "Versions that a verification has decoded and hashed.",
            ),
            registry,
        }
    }
}

impl Metrics {
    /// Everything as Prometheus reads it.
    pub fn text(&self, now: &Gauges) -> Result<String, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        TextEncoder::new().encode(&gauges(now)?, &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// Made again each time, so that none keeps a value that is not known any more.
fn gauges(now: &Gauges) -> Result<Vec<prometheus::proto::MetricFamily>, prometheus::Error> {
    let registry = Registry::new();
    for (name, help, value) in GAUGES {
        if let Some(value) = value(now) {
            let gauge = IntGauge::new(named(name), help)?;
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            registry.register(Box::new(gauge))?;
        }
    }
    Ok(registry.gather())
}

/// The counters of handshakes. All of them are told from the start.
fn handshakes(make: &Maker<'_>) -> IntCounterVec {
    let help = "Handshakes of TLS; `plain` had none, `late` took too long, `failed` was no good.";
    let counters = make.counters("tls_handshakes_total", help, &["result"]);
    for result in ["done", "failed", "late", "plain"] {
        counters.with_label_values(&[result]).inc_by(0);
    }
    counters
}

/// The counters of webhooks. All of them are told from the start.
fn hook_tries(make: &Maker<'_>) -> IntCounterVec {
    let help = "Tries to deliver an event to a webhook: taken, failed and tried again, given up.";
    let counters = make.counters("hook_tries_total", help, &["outcome"]);
    for outcome in ["delivered", "failed", "given_up"] {
        counters.with_label_values(&[outcome]).inc_by(0);
    }
    counters
}

/// The counters of what quotas kept out. All of them are told from the start.
fn quota_refusals(make: &Maker<'_>) -> IntCounterVec {
    let help = "Acts that a quota of a workspace kept out.";
    let counters = make.counters("quota_refusals_total", help, &["quota"]);
    for quota in ["bytes", "states", "versions", "rate"] {
        counters.with_label_values(&[quota]).inc_by(0);
    }
    counters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_whose_value_is_not_known_any_more_is_left_out() {
        let metrics = Metrics::default();
        let known = metrics
            .text(&Gauges {
                free_space: Some(7),
                last_verified: Some(8),
                ..Gauges::default()
            })
            .unwrap();
        assert!(
            known.contains("statekeep_disk_free_bytes 7")
                && known.contains("statekeep_verified_timestamp_seconds 8"),
            "{known}"
        );
        let unknown = metrics.text(&Gauges::default()).unwrap();
        for name in [
            "disk_free_bytes",
            "verified_timestamp_seconds",
            "states",
            "versions",
            "database_bytes",
        ] {
            assert!(
                !unknown.contains(&format!("statekeep_{name}")),
                "{name}: {unknown}"
            );
        }
    }

    #[test]
    fn everything_can_be_made_and_read() {
        let metrics = Metrics::default();
        metrics
            .requests
            .with_label_values(&["/x", "GET", "200"])
            .observe(0.001);
        let text = metrics
            .text(&Gauges {
                states: Some(7),
                ..Gauges::default()
            })
            .unwrap();
        assert!(text.contains("statekeep_states 7"), "{text}");
        assert!(text.contains("process_resident_memory_bytes"), "{text}");
    }
}
