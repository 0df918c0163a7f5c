//! The structure of the database, and the tables beside those of states.

use crate::config::MIB;
use crate::domain::error::Error;
use crate::domain::integrity::findings::{Code, RowAddress};
use crate::domain::integrity::walk::step::Walk;
use crate::model::name::StateName;
use crate::store::{ADDRESS_LISTS, KeyFacts, View};

/// A database of up to so many bytes (256 MiB) is checked by SQLite in one step, list of free pages
/// included; a larger one table by table.
const WHOLE_UP_TO: u64 = 256 * MIB;
/// How many rows one step reads.
const ROWS_PER_STEP: u32 = 200;

impl Walk<'_> {
    /// Has SQLite check its own structure.
    pub(super) async fn structure(&mut self) -> Result<(), Error> {
        let Some(parts) = self
            .step("the names of the tables", |view| view.parts(WHOLE_UP_TO))
            .await?
        else {
            return Ok(());
        };
        let quick = self.quick;
        for part in parts {
            let name = part.to_string();
            let lines = self
                .step(&name, move |view| view.structure(&part, quick))
                .await?
                .unwrap_or_default();
            for line in lines {
                self.find(Code::Structure, &format!("SQLite says of {name}: {line}"));
            }
        }
        Ok(())
    }

    /// Looks for bytes that no version refers to.
    pub(super) async fn blobs(&mut self) -> Result<(), Error> {
        let mut after = i64::MIN;
        loop {
            let read = self
                .step("the rows of bytes", move |view| {
                    view.blobs_as_they_stand(after, ROWS_PER_STEP)
                })
                .await?;
            let Some((rows, Some(last), unused)) = read else {
                return Ok(());
            };
            self.tally.checked.blobs += rows;
            for id in unused {
                self.find(
                    Code::Orphan,
                    &format!(
                        "no version refers to the bytes with the id {id}; they only take room"
                    ),
                );
            }
            after = last;
        }
    }

    /// Looks at the addresses of moved states, locks and marks.
    pub(super) async fn addresses(&mut self) -> Result<(), Error> {
        for list in ADDRESS_LISTS {
            let mut after = Some((String::new(), String::new()));
            while let Some(from) = after {
                after = self.addresses_of(list, from).await?;
            }
        }
        Ok(())
    }

    /// Looks at the next addresses of a list, and says at which it has come; none at the end.
    async fn addresses_of(
        &mut self,
        list: &'static str,
        from: (String, String),
    ) -> Result<Option<(String, String)>, Error> {
        let read = move |view: &View<'_>| view.addresses_as_they_stand(list, &from, ROWS_PER_STEP);
        let rows = self.step(list, read).await?.unwrap_or_default();
        let end = rows
            .last()
            .map(|(workspace, block, _)| (workspace.clone(), block.clone()));
        for (workspace, block, is_taken) in rows {
            self.address(list, RowAddress { workspace, block }, is_taken)
                .await?;
        }
        Ok(end)
    }

    async fn address(
        &mut self,
        list: &'static str,
        address: RowAddress,
        is_taken: bool,
    ) -> Result<(), Error> {
        self.tally.checked.addresses += 1;
        let Ok(name) = StateName::parse(&address.workspace, &address.block) else {
            self.find_in(
                Code::BadRow,
                Some(&address),
                None,
                &format!("a row of {list} has an address that is none"),
            );
            return Ok(());
        };
        if list == "moves" && is_taken {
            self.find_in(
                Code::BadRow,
                Some(&address),
                None,
                "the address is said to be left, and a state lives there",
            );
        }
        if list == "locks" {
            let lock = self
                .step("the locks", move |view| view.lock_as_it_stands(&name))
                .await?;
            if let Some(Err(error)) = lock {
                self.find_in(
                    Code::BadRow,
                    Some(&address),
                    None,
                    &format!("its lock cannot be read: {error}"),
                );
            }
        }
        Ok(())
    }

    /// Looks at the keys.
    pub(super) async fn keys(&mut self) -> Result<(), Error> {
        let mut after = Some(String::new());
        while let Some(from) = after {
            let rows = self
                .step("the keys", move |view| {
                    view.keys_as_they_stand(&from, ROWS_PER_STEP)
                })
                .await?
                .unwrap_or_default();
            after = rows.last().map(|(id, _)| id.clone());
            for key in rows {
                self.key(key);
            }
        }
        Ok(())
    }

    fn key(&mut self, (id, read): KeyFacts) {
        self.tally.checked.keys += 1;
        if let Err(error) = read {
            self.find(
                Code::BadRow,
                &format!("the key {id} cannot be read: {error}"),
            );
        }
    }

    /// Looks for rows that refer to rows which are not there.
    pub(super) async fn references(&mut self) -> Result<(), Error> {
        let rows = self
            .step("the references between tables", |view| {
                view.dangling(ROWS_PER_STEP)
            })
            .await?
            .unwrap_or_default();
        for (table, other, count) in rows {
            self.find(
                Code::Dangling,
                &format!("{count} rows of {table} refer to rows of {other} that are not there"),
            );
        }
        let lost = self
            .step("the owners of versions", |view| {
                view.versions_without_a_state(ROWS_PER_STEP)
            })
            .await?
            .unwrap_or_default();
        for versions in lost {
            self.find(
                Code::Dangling,
                &format!("{versions} versions belong to a state that is not there"),
            );
        }
        Ok(())
    }
}
