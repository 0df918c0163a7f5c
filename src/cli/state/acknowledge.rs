//! `statekeep state acknowledge`: a person has looked at what happened to a state. What is shown as
//! looked at are the events that were listed, and none that came after.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::api::Client;
use crate::cli::client::pages::{EVENTS, ListPages};
use crate::cli::common::done;
use crate::cli::common::existence;
use crate::cli::common::flags::Format;
use crate::cli::output::{CliError, text, when};
use crate::model::name::StateName;

#[derive(Args)]
pub(in crate::cli) struct AcknowledgeArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK
    state: StateName,
    /// The numbers of events; without any, all of the state that a person should look at and that
    /// nobody has acknowledged
    #[arg(value_name = "EVENT")]
    events: Vec<u64>,
    /// What there is to say of it, in 1 to 500 characters
    #[arg(long)]
    word: Option<String>,
}

/// Acknowledges events of a state.
pub(in crate::cli) async fn run(
    client: &Client,
    args: AcknowledgeArgs,
    format: Format,
) -> Result<(), CliError> {
    let AcknowledgeArgs {
        state,
        events,
        word,
    } = args;
    let waiting = waiting(client, &state).await?;
    let wanted = if events.is_empty() {
        waiting
    } else {
        let is_there = |number: &u64| waiting.contains(number);
        if let Some(other) = events.iter().find(|number| !is_there(number)) {
            let told = format!(
                "no event {other} of {state} waits for a person; `statekeep events {state} \
                    --attention` lists those that do"
            );
            return Err(CliError::Failed(told));
        }
        events
    };
    let mut acknowledged = Vec::with_capacity(wanted.len());
    for number in wanted {
        let path = format!("/api/events/{number}/acknowledge");
        let body = json!({ "word": word });
        acknowledged.push(client.call("POST", &path, Some(body)).await?);
    }
    if acknowledged.is_empty() {
        existence::state_exists(client, &state).await?;
    }
    let answer = json!({ "events": acknowledged });
    done::tell(&answer, format, || sentence(&state, &acknowledged))
}

/// The numbers of a state's events that wait for a person, the newest first.
async fn waiting(client: &Client, state: &StateName) -> Result<Vec<u64>, CliError> {
    let path = format!(
        "/api/events?workspace={}&buildingBlock={}&attention=true&acknowledged=false&fields=seq",
        state.workspace, state.block
    );
    let mut pages = ListPages::new(client.wire(), path, EVENTS, None);
    let mut numbers = Vec::new();
    while let Some(rows) = pages.next().await? {
        for row in rows {
            let event: Value = serde_json::from_str(row.get()).map_err(CliError::because)?;
            numbers.extend(event["seq"].as_u64());
        }
    }
    Ok(numbers)
}

fn sentence(state: &StateName, events: &[Value]) -> String {
    if events.is_empty() {
        return format!("no event of {state} waits for a person");
    }
    let told = |event: &Value| {
        let (kind, at) = (text(&event["kind"]), when(&event["at"]));
        format!("acknowledged {} of {at}, event {}", kind, event["seq"])
    };
    events.iter().map(told).collect::<Vec<_>>().join("\n")
}
