//! What a service manager gives a server, and what it is told: systemd's protocols for readiness,
//! the watchdog and sockets, which other managers speak too.
//!
//! The watchdog is fed by the writer alone. A server that answers reads while its writer hangs is
//! started again. Without a service manager, nothing of this happens.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;

use crate::cli::output::CliError;
use crate::config;
use crate::domain::Domain;
use crate::domain::status::health::Health;

/// How often the status line is written anew.
const TELL_EVERY: Duration = Duration::from_mins(1);
/// How often the watchdog is fed in the time that it waits at most.
const FEEDS_PER_TIME: u32 = 3;

/// The socket that the service manager listens on for this server, if it gives one.
pub(super) fn listener() -> Result<Option<TcpListener>, CliError> {
    let mut given = ListenFd::from_env();
    let why = match (given.len(), given.take_tcp_listener(0)) {
        (0, _) => return Ok(None),
        (1, Ok(listener)) => return Ok(listener),
        (1, Err(error)) => error.to_string(),
        (several, _) => format!("it gives {several}"),
    };
    Err(CliError::Failed(format!(
        "the service manager has to give one TCP socket that listens: {why}. Look at ListenStream= \
            of the socket unit"
    )))
}

/// Says what the server is at.
pub(super) fn tell_status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// Says that the server is ready, and from then on that it lives and how it is.
pub(super) async fn keep_telling(domain: Arc<Domain>, url: String) {
    tell(&[NotifyState::Ready]);
    tokio::join!(keep_feeding(&domain), keep_status(&domain, &url));
}

/// Feeds the watchdog each time that the writer has come by all that was queued.
async fn keep_feeding(domain: &Domain) {
    let Some(longest) = sd_notify::watchdog_enabled() else {
        return;
    };
    while domain.engine().writer_comes_by().await {
        tell(&[NotifyState::Watchdog]);
        tokio::time::sleep(longest / FEEDS_PER_TIME).await;
    }
}

async fn keep_status(domain: &Domain, url: &str) {
    while config::has_service_manager() {
        tell_status(&status_line(url, &domain.status().health().await));
        tokio::time::sleep(TELL_EVERY).await;
    }
}

/// Says that the server leaves.
pub(super) fn tell_of_the_end() {
    let status = "stopping; requests under way are finished first";
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

fn status_line(url: &str, health: &Health) -> String {
    let problems: Vec<_> = health.problems.iter().map(|problem| problem.code).collect();
    if problems.is_empty() {
        return format!("listening on {url}");
    }
    format!("listening on {url}; problems: {}", problems.join(", "))
}

/// A manager that cannot be told is told the next time.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}
