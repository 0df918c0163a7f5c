//! `statekeep verify`: what the server's verification finds, told so that a person knows what is
//! lost and what is not.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::api::Client;
use crate::cli::client::wire::ApiReply;
use crate::cli::common::existence;
use crate::cli::common::flags::Common;
use crate::cli::common::flags::Format;
use crate::cli::output;
use crate::cli::output::CliError;
use crate::cli::output::counted;
use crate::cli::output::counted_in;
use crate::cli::output::size;
use crate::cli::output::text;
use crate::model::event_head::EventHead;
use crate::model::name::StateName;

/// How often a person is told how far it is.
const TELL_EVERY: Duration = Duration::from_secs(1);

#[derive(Args)]
pub(in crate::cli) struct VerifyArgs {
    /// Check structure and rows only, and decode nothing
    #[arg(long)]
    quick: bool,
    /// Only one state, as WORKSPACE/BUILDINGBLOCK
    #[arg(long, value_name = "STATE")]
    state: Option<StateName>,
    /// Only the chain of events: whether one was changed, or is missing
    #[arg(long, conflicts_with_all = ["quick", "state"])]
    events: bool,
    /// A head of that chain that was noted earlier, as `statekeep events --head` prints it
    #[arg(long, value_name = "NUMBER:HASH", requires = "events")]
    head: Option<EventHead>,
}

/// Runs it.
pub(in crate::cli) async fn run(args: VerifyArgs, common: Common) -> Result<(), CliError> {
    let client = Client::connect(&common.reach).await?;
    let done = verify(&client, args, common.format).await;
    client.close().await?;
    done
}

async fn verify(client: &Client, args: VerifyArgs, format: Format) -> Result<(), CliError> {
    if let Some(state) = &args.state {
        existence::state_exists(client, state).await?;
    }
    let mut body = json!({ "quick": args.quick });
    if let Some(state) = args.state {
        body["workspace"] = json!(state.workspace);
        body["buildingBlock"] = json!(state.block);
    }
    if args.events {
        body = json!({ "events": true });
        body["head"] = json!(args.head.map(|head| head.to_string()));
    }
    let answer = ask(client, body).await?.json()?;
    match format {
        Format::Json => output::json(&answer)?,
        Format::Text => report(&answer, args.events)
            .lines()
            .try_for_each(output::line)?,
    }
    match answer["found"].as_u64() {
        Some(0) => Ok(()),
        Some(found) => Err(CliError::Failed(format!(
            "{}; docs/operation.md says what to do about them",
            counted(found, "finding")
        ))),
        None => Err(CliError::Failed(
            "the server's answer is no verification; is a statekeep at --url?".to_owned(),
        )),
    }
}

/// Waits for the end, and tells a person at a terminal how far it is meanwhile.
async fn ask(client: &Client, body: Value) -> Result<ApiReply, CliError> {
    let verified = client.ask("POST", "/api/verify", Some(body));
    let telling = async {
        loop {
            tokio::time::sleep(TELL_EVERY).await;
            // If the server cannot be reached, the other request says so.
            let overview = client.get("/api/verify").await.unwrap_or_default();
            tell(&overview["running"]);
        }
    };
    if !std::io::stderr().is_terminal() {
        return verified.await;
    }
    let answer = tokio::select! {
        answer = verified => answer,
        never = telling => never,
    };
    output::progress("");
    answer
}

fn tell(running: &Value) {
    let checked = &running["checked"];
    if checked.is_object() {
        let (versions, all, bytes) = (
            text(&checked["versions"]),
            text(&running["versions"]),
            size(&checked["bytes"]),
        );
        output::progress(&format!("{versions} of {all} versions, {bytes} decoded"));
    }
}

/// The whole answer in sentences.
fn report(answer: &Value, is_of_events: bool) -> String {
    let mut told = String::new();
    let rows = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
    for finding in rows("findings") {
        let _ = writeln!(
            told,
            "{}: {} ({})",
            whose(&finding),
            text(&finding["detail"]),
            text(&finding["code"])
        );
    }
    if answer["truncated"] == true {
        let _ = writeln!(
            told,
            "… and more: {} in all; `--state` looks at one state alone",
            counted_in(&answer["found"], "finding")
        );
    }
    for state in rows("states") {
        let _ = writeln!(told, "{}", readable(&state));
    }
    let checked = &answer["checked"];
    if is_of_events {
        let events = counted_in(&checked["events"], "event");
        let _ = writeln!(
            told,
            "compared {events} with the hash before and the hash of each"
        );
    } else {
        let _ = writeln!(told, "{}", looked_at(answer, checked));
    }
    if answer["found"] == 0 {
        told.push_str("nothing is wrong");
    }
    told
}

/// How much was looked at, in a sentence.
fn looked_at(answer: &Value, checked: &Value) -> String {
    let (versions, states) = (
        counted_in(&checked["versions"], "version"),
        counted_in(&checked["states"], "state"),
    );
    let decoded = text(&checked["decoded"]);
    let what = if answer["quick"] == true {
        "nothing was decoded (--quick)".to_owned()
    } else {
        format!(
            "{decoded} of them, {}, are the bytes that were written",
            size(&checked["bytes"])
        )
    };
    format!("looked at {versions} of {states}; {what}")
}

fn whose(finding: &Value) -> String {
    match (&finding["workspace"], &finding["version"]) {
        (Value::Null, _) => "the database".to_owned(),
        (_, Value::Null) => state_name(finding),
        (_, version) => format!("version {version} of {}", state_name(finding)),
    }
}

fn state_name(value: &Value) -> String {
    format!(
        "{}/{}",
        text(&value["workspace"]),
        text(&value["buildingBlock"])
    )
}

/// "version 7 of a/b is damaged; versions 1–6 and 8 can be read".
fn readable(state: &Value) -> String {
    let (damaged, readable) = (runs(&state["damaged"]), runs(&state["readable"]));
    let verb = if damaged.1 { "are" } else { "is" };
    let still = if readable.0.is_empty() {
        "none".to_owned()
    } else {
        numbered(&readable)
    };
    format!(
        "{} of {} {verb} damaged; {still} can be read",
        numbered(&damaged),
        state_name(state)
    )
}

fn numbered((numbers, several): &(String, bool)) -> String {
    format!(
        "{} {numbers}",
        if *several { "versions" } else { "version" }
    )
}

/// Runs of numbers as text, and whether it is more than one number.
fn runs(value: &Value) -> (String, bool) {
    let runs: Vec<(u64, u64)> = value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|run| Some((run[0].as_u64()?, run[1].as_u64()?)))
        .collect();
    let several = runs.len() > 1 || runs.first().is_some_and(|(first, last)| first < last);
    let shown: Vec<String> = runs
        .iter()
        .map(|(first, last)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}–{last}")
            }
        })
        .collect();
    let text = match shown.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
        None => String::new(),
    };
    (text, several)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_lost_and_what_is_not() {
        let state = |damaged: Value, readable: Value| {
            json!({
                "workspace": "a", "buildingBlock": "b",
                "damaged": damaged, "readable": readable,
            })
        };
        assert_eq!(
            readable(&state(json!([[7, 7]]), json!([[1, 6], [8, 8]]))),
            "version 7 of a/b is damaged; versions 1–6 and 8 can be read"
        );
        assert_eq!(
            readable(&state(json!([[1, 2]]), json!([[3, 3]]))),
            "versions 1–2 of a/b are damaged; version 3 can be read"
        );
        assert_eq!(
            readable(&state(json!([[1, 1]]), json!([]))),
            "version 1 of a/b is damaged; none can be read"
        );
        assert_eq!(
            readable(&state(json!([[1, 1], [3, 3], [5, 6]]), json!([[2, 2]]))),
            "versions 1, 3 and 5–6 of a/b are damaged; version 2 can be read"
        );
    }
}
