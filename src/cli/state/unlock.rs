//! `statekeep state unlock`: breaks the lock with an ID, or the lock that was shown before the
//! question.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::api::Client;
use crate::cli::common::ask::Asking;
use crate::cli::common::done;
use crate::cli::common::existence;
use crate::cli::common::flags::Format;
use crate::cli::common::locks;
use crate::cli::common::nearest;
use crate::cli::output;
use crate::cli::output::CliError;
use crate::cli::output::harmless;
use crate::cli::output::text;
use crate::cli::output::time;
use crate::model::name::StateName;

/// What removing a lock hits whose row is damaged.
const UNKNOWN_HOLDER: &str = "it is not known who holds the lock; a command that still runs under \
    it can then not store its result";

#[derive(Args)]
pub(in crate::cli) struct UnlockArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK
    state: StateName,
    /// Break only the lock with this ID, without a question
    #[arg(long, value_name = "LOCK_ID")]
    id: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

/// Breaks the lock.
pub(in crate::cli) async fn run(
    client: &Client,
    args: UnlockArgs,
    format: Format,
) -> Result<(), CliError> {
    let UnlockArgs { state, id, asking } = args;
    let id = match id {
        None if !asking.answers_yes() => match shown(client, &state, &asking).await? {
            Shown::Lock(id) => Some(id),
            Shown::Damaged => None,
            // A lock that is taken from now on was not shown.
            Shown::None => return not_locked(client, &state, &json!({}), format).await,
        },
        id => id,
    };
    let body = id.map(|id| json!({ "ID": id }));
    let released = client.call("UNLOCK", &state.path(), body).await?;
    let Some(id) = released["ID"].as_str() else {
        if released["damaged"].is_null() {
            return not_locked(client, &state, &released, format).await;
        }
        if format == Format::Json {
            return output::json(&released);
        }
        output::message(&format!(
            "removed the lock on {state}, whose row was damaged: nobody knows who held it"
        ));
        return Ok(());
    };
    done::tell(&released, format, || {
        let (id, who) = (harmless(id), text(&released["Who"]));
        format!("broke the lock {id} on {state}, held by {who}")
    })
}

/// Says that there is no lock; of a state that is frozen, what lifts that.
async fn not_locked(
    client: &Client,
    state: &StateName,
    answer: &Value,
    format: Format,
) -> Result<(), CliError> {
    existence::state_exists(client, state).await?;
    let evidence = nearest::lock(&client.wire(), state)
        .await
        .unwrap_or_default();
    let freeze = &evidence["frozen"];
    done::tell(answer, format, || {
        if freeze.is_null() {
            return format!("{state} was not locked");
        }
        let (frozen, unfreeze) = (locks::frozen(state, freeze), locks::unfreeze(state));
        format!("{state} was not locked; {frozen}{unfreeze}")
    })
}

/// What a person was shown.
enum Shown {
    /// The lock with this ID.
    Lock(String),
    /// That the row of the lock is damaged, and that nobody knows its ID.
    Damaged,
    /// Nothing, as there is no lock.
    None,
}

/// Shows the lock to a person, and asks whether to break it.
async fn shown(client: &Client, state: &StateName, asking: &Asking) -> Result<Shown, CliError> {
    let (wire, path) = (client.wire(), format!("{}/lock", state.path()));
    let held = match wire.ask("GET", &path, None).await {
        Ok(reply) => reply.json()?,
        Err(refusal) if refusal.has_code("no_lock") => return Ok(Shown::None),
        Err(refusal) if refusal.has_code("damaged") => {
            let told = vec![
                refusal.into_failure().into_message(),
                UNKNOWN_HOLDER.to_owned(),
            ];
            asking.about(&told, &format!("Remove the lock on {state} all the same?"))?;
            return Ok(Shown::Damaged);
        }
        Err(refusal) => return Err(nearest::explained(&wire, refusal).await),
    };
    // A state that is frozen and not locked has an answer without a lock.
    let Some(id) = held["lock"]["ID"].as_str() else {
        return Ok(Shown::None);
    };
    let question = format!("Break the lock on {state}?");
    asking.about(&broken(state, &held), &question)?;
    Ok(Shown::Lock(id.to_owned()))
}

/// What breaking a lock hits.
fn broken(state: &StateName, held: &Value) -> Vec<String> {
    let last = &held["last_write"];
    let written = match last["version"].as_u64() {
        Some(number) => format!(
            "version {number} was written under it at {}",
            time(&last["at"])
        ),
        None => "nothing was written under it yet".to_owned(),
    };
    vec![
        locks::held(state, held),
        format!("{written}; a command that still runs under it can then not store its result"),
    ]
}
