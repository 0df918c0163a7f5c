//! `statekeep encrypt-storage`: asks for all content to be sealed, and waits until it is.

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
    while !args.no_wait && !answer["pending"].is_null() {
        let pending = &answer["pending"];
        output::progress(&format!("sealing {} of {}", pending["done"], pending["of"]));
        tokio::time::sleep(LOOK_EVERY).await;
        answer = client.get("/api/storage").await?;
    }
    done::tell(&answer, format, || told(&answer))?;
    if format == Format::Text {
        for copy in rows(&answer, "copies") {
            let copy = text(copy);
            output::message(&format!("may still hold content in the clear: {copy}"));
        }
    }
    Ok(())
}

fn told(answer: &Value) -> String {
    let mark = text(&answer["storage_key"]);
    if answer["pending"].is_null() {
        format!("all content is sealed under the storage key {mark}; without it nothing opens")
    } else {
        format!("all content is being sealed under the storage key {mark}, beside the service")
    }
}
