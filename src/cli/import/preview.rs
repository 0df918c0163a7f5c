//! `statekeep import --dry-run`: says what would be imported where, and changes nothing.

use serde_json::{Value, json};

use crate::cli::client::api::Client;
use crate::cli::common::flags::Format;
use crate::cli::import::existing;
use crate::cli::import::look::{Looked, look};
use crate::cli::import::plan::{StatePlan, Todo};
use crate::cli::import::send::TAKEN;
use crate::cli::import::sources::FoundStates;
use crate::cli::output::{self, CliError};
use crate::cli::table::{self, kept};

/// Says it.
pub(super) async fn preview(
    client: &Client,
    mut found: FoundStates,
    append: bool,
    format: Format,
) -> Result<(), CliError> {
    let plans = std::mem::take(&mut found.plans);
    let (rows, failed) = look_at_all(client, plans, append).await?;
    for why in &failed {
        output::message(&output::harmless(why));
    }
    // What is skipped was told when it was found.
    found.skipped.extend(failed);
    show(&rows, &found, format)?;
    match found.skipped.len() {
        0 => Ok(()),
        failed => Err(CliError::Failed(format!("{failed} could not be imported"))),
    }
}

/// Looks at all states: the rows of the table, and why some cannot be imported.
async fn look_at_all(
    client: &Client,
    plans: Vec<StatePlan>,
    append: bool,
) -> Result<(Vec<Row>, Vec<String>), CliError> {
    let known = existing::known(client, &plans).await?;
    let wire = client.wire();
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for plan in plans {
        let (name, known) = (plan.name.clone(), known.get(&plan.name).copied());
        match look(&wire, plan, known, append).await {
            Ok(looked) => {
                if let Some(note) = &looked.note {
                    output::message(&output::harmless(note));
                }
                rows.push(Row::of(looked, &mut failed));
            }
            Err(why) if why.is_the_end => return Err(CliError::Failed(why.why)),
            Err(why) => failed.push(format!("{name}: {}", why.why)),
        }
    }
    Ok((rows, failed))
}

fn show(rows: &[Row], found: &FoundStates, format: Format) -> Result<(), CliError> {
    if format == Format::Text {
        let header = ["STATE", "FROM", "VERSIONS", "SERIAL", "WHAT"].map(kept);
        return table::whole(&header, rows.iter().map(Row::text).collect());
    }
    let rows: Vec<Value> = rows.iter().map(Row::json).collect();
    output::json(&json!({
        "dry_run": true, "states": rows, "passed_over": found.passed_over,
        "look_like_states": found.look_like_states, "failed": found.skipped,
    }))
}

/// A state in the table of what would be imported.
struct Row {
    name: String,
    from: String,
    versions: usize,
    serial: Option<u64>,
    what: &'static str,
}

impl Row {
    fn of(looked: Looked, failed: &mut Vec<String>) -> Self {
        let (versions, what) = what(&looked);
        let StatePlan {
            name,
            from,
            versions: all,
            ..
        } = looked.plan;
        if looked.todo == Todo::Taken {
            failed.push(format!("{name}: {TAKEN}"));
        }
        let mut newest_first = all.iter().rev();
        let newest = newest_first.find(|version| version.rejected.is_none());
        Self {
            name: name.to_string(),
            from,
            versions,
            serial: newest.and_then(|version| version.serial),
            what,
        }
    }

    fn text(&self) -> Vec<String> {
        let serial = self
            .serial
            .map_or_else(|| "-".to_owned(), |serial| serial.to_string());
        vec![
            self.name.clone(),
            output::harmless(&self.from),
            self.versions.to_string(),
            serial,
            self.what.to_owned(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "state": self.name, "from": self.from, "versions": self.versions,
            "serial": self.serial, "what": self.what,
        })
    }
}

/// How many versions would be sent, and what that would be.
fn what(looked: &Looked) -> (usize, &'static str) {
    let (plan, leaves) = (&looked.plan, looked.leaves_for.is_some());
    let all = plan.versions.len();
    match looked.todo {
        Todo::Nothing if all == 0 => (0, "no content left"),
        Todo::Nothing if leaves => (0, "there already, transferred"),
        Todo::Nothing => (0, "there already"),
        Todo::All if plan.deleted => (all, "new, deleted"),
        Todo::All if leaves => (all, "new, transferred"),
        Todo::All => (all, "new"),
        Todo::Rest { skip, .. } => (all - skip, "goes on"),
        Todo::Append { skip } if plan.deleted => (all - skip, "append, stays live"),
        Todo::Append { skip } => (all - skip, "append"),
        Todo::Taken => (0, "taken"),
    }
}
