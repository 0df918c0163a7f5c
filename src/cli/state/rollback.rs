//! `statekeep state rollback`: says what a rollback would do, asks, and does it only if nothing has
//! changed since.

use clap::Args;
use reqwest::Url;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use crate::cli::client::api::Client;
use crate::cli::client::wire::ApiReply;
use crate::cli::common::done;
use crate::cli::common::flags::Format;
use crate::cli::common::rows::rows;
use crate::cli::common::translation::translated;
use crate::cli::output;
use crate::cli::output::counted_in;
use crate::cli::output::text;
use crate::cli::output::{CliError, KnownReason};
use crate::cli::state::answer::parsed;
use crate::model::name::StateName;

/// How many addresses of each kind are listed; the rest is counted.
const MAX_LISTED: usize = 50;

#[derive(Args)]
pub(in crate::cli) struct RollbackArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK
    state: StateName,
    /// The version whose content becomes current again
    version: u64,
    /// Roll back only if this version is current; 0 for none
    #[arg(long, value_name = "VERSION")]
    expected_current: Option<u64>,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
    /// Bring back a state that OpenTofu encrypted, with the serial that it had
    #[arg(long)]
    allow_serial_regression: bool,
    /// The ID of your own lock, if the state is locked
    #[arg(long, value_name = "LOCK_ID")]
    id: Option<String>,
    /// Do not ask; required if there is no terminal
    #[arg(long)]
    yes: bool,
}

/// A preview, without the values of the two contents: they may be numbers and texts that this
/// program cannot hold, and a person decides without them.
#[derive(Deserialize)]
struct Preview {
    diff: Option<Difference>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
struct Difference {
    counts: Value,
    outputs: Vec<IgnoredAny>,
}

impl RollbackArgs {
    fn path(&self) -> Result<String, CliError> {
        let path = format!("{}/rollback", self.state.path());
        let Some(id) = &self.id else { return Ok(path) };
        let encoded =
            Url::parse_with_params("http://localhost", [("ID", id)]).map_err(CliError::because)?;
        Ok(format!("{path}?{}", encoded.query().unwrap_or_default()))
    }

    fn body(&self, expected_current: Option<u64>, dry_run: bool) -> Value {
        json!({
            "version": self.version, "expected_current": expected_current, "dry_run": dry_run,
            "allow_serial_regression": self.allow_serial_regression,
        })
    }
}

/// Runs it.
pub(in crate::cli) async fn run(
    client: &Client,
    args: RollbackArgs,
    format: Format,
) -> Result<(), CliError> {
    let reply = ask(client, &args, args.expected_current, true).await?;
    if args.dry_run && format == Format::Json {
        return output::answer(&reply.bytes);
    }
    let preview = preview(&reply)?;
    if args.dry_run {
        return show(&args.state, &preview);
    }
    confirm(&args, &preview)?;
    // What was shown is what is replaced, or nothing is.
    let seen = args.expected_current.unwrap_or_else(|| live(&preview));
    let answer = ask(client, &args, Some(seen), false).await?.json()?;
    done::tell(&answer, format, || told(&args, &answer))
}

/// Asks the server for a rollback, or for what it would do.
async fn ask(
    client: &Client,
    args: &RollbackArgs,
    expected_current: Option<u64>,
    dry_run: bool,
) -> Result<ApiReply, CliError> {
    let body = args.body(expected_current, dry_run);
    client.ask("POST", &args.path()?, Some(body)).await
}

/// A preview as it is shown, with the number of its outputs for what changes in each.
fn preview(reply: &ApiReply) -> Result<Value, CliError> {
    let Preview { diff, mut rest } = parsed(reply)?;
    let told = |diff: Difference| json!({ "counts": diff.counts, "outputs": diff.outputs.len() });
    rest.insert("diff".to_owned(), diff.map(told).unwrap_or_default());
    Ok(Value::Object(rest))
}

/// Prints a preview, with all that is in the way.
fn show(state: &StateName, preview: &Value) -> Result<(), CliError> {
    let mut lines = in_words(state, preview);
    lines.extend(refusals(state, preview));
    // What a state or a lock holds does not act on the terminal.
    lines
        .iter()
        .try_for_each(|line| output::line(&output::harmless(line)))
}

/// Shows a preview to the person who is to decide, and asks. Fails if something is in the way.
fn confirm(args: &RollbackArgs, preview: &Value) -> Result<(), CliError> {
    let state = &args.state;
    // Without a question, all that needs a person is what no plan will show.
    let lines = if args.yes && output::is_quiet() {
        unseen(preview)
    } else {
        in_words(state, preview)
    };
    for line in lines {
        output::message(&output::harmless(&line));
    }
    if let Some(why) = rows(preview, "refused").first() {
        return Err(CliError::Known {
            message: output::harmless(&refusal(state, why, preview)),
            reason: KnownReason::refused(&text(&why["code"])),
        });
    }
    let question = format!("Roll {state} back to version {}?", args.version);
    if preview["unchanged"] != false || args.yes {
        return Ok(());
    }
    if !output::can_ask() {
        return Err(CliError::Usage(format!(
            "{question} There is no terminal to ask at; --yes confirms it, with --expected-current \
                {} only if no other write comes in between. Nothing was done",
            live(preview)
        )));
    }
    if output::ask(&question)? {
        return Ok(());
    }
    Err(CliError::Failed("nothing was done".to_owned()))
}

fn told(args: &RollbackArgs, answer: &Value) -> String {
    let (state, number) = (&args.state, &answer["number"]);
    if answer["unchanged"] == true {
        return format!("version {number} is the current one of {state} already; nothing was done");
    }
    format!(
        "{state} is rolled back to version {}: version {number}, serial {}",
        args.version, answer["serial"]
    )
}

/// The number of the version that is current in a preview; 0 for none.
fn live(preview: &Value) -> u64 {
    if preview["deleted"] == true {
        0
    } else {
        preview["current"]["number"].as_u64().unwrap_or(0)
    }
}

/// A preview as a person reads it.
fn in_words(state: &StateName, preview: &Value) -> Vec<String> {
    let version = &preview["version"];
    let number = &version["number"];
    if preview["unchanged"] == true {
        return vec![format!(
            "version {number} is the current one of {state} already: nothing would be written"
        )];
    }
    let (serial, at) = (&version["serial"], output::time(&version["created_at"]));
    let by = text(&version["created_by"]["name"]);
    let mut lines = vec![
        format!(
            "{state} would be rolled back to version {number} (serial {serial}, written {at} by \
                {by})"
        ),
        replaced(preview),
        serial_in_words(preview),
    ];
    lines.extend(changed(preview));
    lines.extend(compared(preview));
    lines.extend(locked(&preview["lock"]));
    lines
}

fn serial_in_words(preview: &Value) -> String {
    let serial = &preview["serial"];
    if preview["verbatim"] == true {
        return format!(
            "OpenTofu encrypted it, so it would come back with the serial {serial} that it had"
        );
    }
    if serial.is_null() {
        return "there is no serial left that it could get".to_owned();
    }
    format!("it would get serial {serial}, higher than any before; nothing else in it changes")
}

/// What changes beside the content.
fn changed(preview: &Value) -> Vec<String> {
    let names = [
        ("lineage", "the lineage"),
        ("terraform_version", "the program version that wrote it"),
    ];
    let changes = names.into_iter().filter_map(|(name, what)| {
        let change = &preview[name];
        let (from, to) = (text(&change["from"]), text(&change["to"]));
        (!change.is_null()).then(|| format!("{what} changes from {from} to {to}"))
    });
    changes.collect()
}

fn locked(lock: &Value) -> Option<String> {
    let (key, since) = (text(&lock["key"]["name"]), output::time(&lock["locked_at"]));
    let (who, id) = (text(&lock["lock"]["Who"]), text(&lock["lock"]["ID"]));
    (!lock.is_null()).then(|| format!("it is locked by {key} ({who}) since {since}, lock ID {id}"))
}

fn replaced(preview: &Value) -> String {
    let current = &preview["current"];
    let is = match (current.is_null(), preview["deleted"] == true) {
        (true, _) => "none of its versions was ever current".to_owned(),
        (false, true) if preview["transferred_to"].is_string() => {
            let to = text(&preview["transferred_to"]);
            format!(
                "it has left for {to}, and would live here again; version {} was its last",
                current["number"]
            )
        }
        (false, true) => format!(
            "it is deleted, and would be brought back; version {} was its last",
            current["number"]
        ),
        (false, false) => format!(
            "version {} (serial {}) is current",
            current["number"], current["serial"]
        ),
    };
    let to = &preview["moved_to"];
    let away = if to.is_null() {
        String::new()
    } else {
        format!(
            "; it is at {}/{}, and would be moved back",
            text(&to["workspace"]),
            text(&to["buildingBlock"])
        )
    };
    format!("{is}{away}")
}

/// What the next plan does not show: that Terraform would forget resources.
fn unseen(preview: &Value) -> Vec<String> {
    if preview["compared"] == false {
        return vec![format!(
            "the result of the next plan is not known: {}",
            text(&preview["not_compared"]["detail"])
        )];
    }
    listed(
        &preview["forgotten"],
        "-",
        "in the current version only: Terraform forgets them, and they keep running unmanaged",
    )
}

/// What the next plan would find.
fn compared(preview: &Value) -> Vec<String> {
    let mut lines = unseen(preview);
    if preview["compared"] == false {
        return lines;
    }
    let counts = &preview["diff"]["counts"];
    let outputs = &preview["diff"]["outputs"];
    let differs = |count: &Value| count.as_u64().is_some_and(|count| count > 0);
    lines.extend(listed(
        &preview["recreated"],
        "+",
        "in the older version only: the next plan looks for them, and recreates those that are \
            gone",
    ));
    if differs(&counts["changed"]) || differs(outputs) {
        let moved = if differs(&counts["moved"]) {
            format!(" ({} moved)", counts["moved"])
        } else {
            String::new()
        };
        let (changed, outputs) = (
            counted_in(&counts["changed"], "resource"),
            counted_in(outputs, "output"),
        );
        lines.push(format!(
            "in both, but different: {changed}{moved}, {outputs}"
        ));
    }
    if lines.is_empty() {
        lines.push("both have the same resources and outputs".to_owned());
    }
    if preview["truncated"] == true {
        lines.push("the list is not complete".to_owned());
    }
    lines
}

/// Addresses under a heading, if there are any.
fn listed(addresses: &Value, mark: &str, what: &str) -> Vec<String> {
    let addresses = addresses.as_array().map(Vec::as_slice).unwrap_or_default();
    if addresses.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![format!("{what}: {}", addresses.len())];
    lines.extend(
        addresses
            .iter()
            .take(MAX_LISTED)
            .map(|address| format!("  {mark} {}", text(address))),
    );
    if addresses.len() > MAX_LISTED {
        lines.push(format!(
            "  and {} more; --format json lists them",
            addresses.len() - MAX_LISTED
        ));
    }
    lines
}

fn refusals(state: &StateName, preview: &Value) -> Vec<String> {
    let told = |why| format!("it would be refused: {}", refusal(state, why, preview));
    rows(preview, "refused").iter().map(told).collect()
}

/// What is in the way, and the next step.
fn refusal(state: &StateName, why: &Value, preview: &Value) -> String {
    let code = text(&why["code"]);
    let (detail, next) = translated(&code, &text(&why["detail"]), Some(state), &preview["lock"]);
    format!("{detail} ({code}){next}")
}
