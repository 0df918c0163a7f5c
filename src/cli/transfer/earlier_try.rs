//! A move that an earlier try has made, and that was cut off before the program had recorded it.

use crate::cli::client::wire::Wire;
use crate::cli::module::identity::Whose;
use crate::cli::output::{self, CliError};
use crate::cli::transfer::server_side::{ServerSide, StateStatus};
use crate::cli::transfer::state_move::Move;

impl Move<'_> {
    /// Whether an earlier try brought the state here from another statekeep. Fails if the state has
    /// left that server for anywhere else: then the one here is another.
    pub(super) async fn has_come(&self, wire: &Wire, place: &str) -> Result<bool, CliError> {
        let old = ServerSide::new(wire, String::new());
        match old.status().await? {
            StateStatus::Live | StateStatus::Nothing => return Ok(false),
            StateStatus::Transferred => {}
            StateStatus::Moved => {
                return Err(CliError::Failed(format!(
                    "{place} was the backend before, and the state has another address on that \
                        server now; nothing was moved. Move it from there, or give \
                        --transfer=never to continue with the state here."
                )));
            }
        }
        self.has_left_for_here(place, &old.left_for().await?)
            .await?;
        if self.server_side().status().await? == StateStatus::Live {
            return Ok(true);
        }
        let name = &self.address.name;
        Err(CliError::Failed(format!(
            "{place} was the backend before, and the state has left it for {name}, which does not \
                live here any more. Nothing was moved. `statekeep state history {name}` shows its \
                history; or give --transfer=never to continue without it."
        )))
    }

    /// Fails unless the place that a state has left for is its address here.
    async fn has_left_for_here(&self, place: &str, to: &str) -> Result<(), CliError> {
        let name = &self.address.name;
        let left = format!(
            "{place} was the backend before, and the state has left it for {}",
            output::harmless(to)
        );
        match self.whose_place(to).await {
            Whose::This(Some(state)) if state == *name => Ok(()),
            Whose::Unknown(why) => Err(CliError::Failed(format!(
                "{left}; it is unknown whether that is {name} here: {why}. Nothing was moved. Run \
                    this again."
            ))),
            Whose::This(_) | Whose::Others => Err(CliError::Failed(format!(
                "{left}, which is not {name} here. Nothing was moved. Move it from there, or give \
                    --transfer=never to continue with the state here."
            ))),
        }
    }

    /// Whose a place is that a server has recorded. Of an address only the part that says where is
    /// recorded, so it ends at the first blank.
    async fn whose_place(&self, place: &str) -> Whose {
        let address = place
            .strip_prefix("http address=")
            .and_then(|rest| rest.split(' ').next());
        match address {
            Some(address) => self.address.whose(address).await,
            None => Whose::Others,
        }
    }
}
