//! `statekeep encrypt-storage`: asks for all content to be sealed, and waits until it is.

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use crate::cli::client::api::Client;
use crate::cli::common::done;
use crate::cli::common::flags::{Common, Format};
use crate::cli::common::rows::rows;
use crate::cli::output::{self, CliError, text};

/// How often it is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// In how many parts it is told where no terminal shows it.
const TENTHS: u64 = 10;

#[derive(Args)]
pub(in crate::cli) struct EncryptStorageArgs {
    /// Return at once; the server does it by itself
    #[arg(long)]
    no_wait: bool,
}

/// Runs it.
pub(in crate::cli) async fn run(args: EncryptStorageArgs, common: Common) -> Result<(), CliError> {
    let client = Client::connect(&common.reach).await?;
    let done = encrypt(&client, &args, common.format).await;
    client.close().await?;
    done
}

async fn encrypt(
    client: &Client,
    args: &EncryptStorageArgs,
    format: Format,
) -> Result<(), CliError> {
    let mut answer = client.call("POST", "/api/storage/encrypt", None).await?;
    let mut progress = ProgressLines::new();
    while !args.no_wait && !answer["pending"].is_null() {
        progress.tell(&answer["pending"]);
        tokio::time::sleep(LOOK_EVERY).await;
        answer = client.get("/api/storage").await?;
    }
    drop(progress);
    done::tell(&answer, format, || told(&answer))?;
    if format == Format::Text {
        for copy in rows(&answer, "copies") {
            let copy = text(copy);
            output::message(&format!("may still hold content in the clear: {copy}"));
        }
    }
    Ok(())
}

/// How far it is: on a terminal in place of what was told before; elsewhere, as in the log of a
/// pipeline, on a line of its own each time that another tenth is done.
struct ProgressLines {
    is_in_place: bool,
    tenths: Option<u64>,
}

impl ProgressLines {
    fn new() -> Self {
        Self {
            is_in_place: std::io::stderr().is_terminal(),
            tenths: None,
        }
    }

    fn tell(&mut self, pending: &Value) {
        let [done, of] = ["done", "of"].map(|name| pending[name].as_u64().unwrap_or(0));
        let told = format!("sealing {done} of {of}");
        if self.is_in_place {
            return output::progress(&told);
        }
        let tenths = done.saturating_mul(TENTHS) / of.max(1);
        if self.tenths.is_none_or(|before| before < tenths) {
            self.tenths = Some(tenths);
            output::note(&told);
        }
    }
}

impl Drop for ProgressLines {
    fn drop(&mut self) {
        if self.is_in_place {
            output::progress("");
        }
    }
}

fn told(answer: &Value) -> String {
    let mark = text(&answer["storage_key"]);
    if answer["pending"].is_null() {
        format!("all content is sealed under the storage key {mark}; without it nothing opens")
    } else {
        format!("all content is being sealed under the storage key {mark}, beside the service")
    }
}
