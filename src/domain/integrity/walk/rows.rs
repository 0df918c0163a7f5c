//! The hashes of rows, and whether two lists agree on which rows there are.

use crate::domain::error::Error;
use crate::domain::integrity::findings::{CHANGED, Code, RowAddress, UNLISTED};
use crate::domain::integrity::walk::step::Walk;
use crate::store::{ROW_LISTS, RowCursor, RowFacts, View};

/// How many rows one step reads.
const ROWS_PER_STEP: u32 = 500;

impl Walk<'_> {
    /// Looks at each row that a client is told from, but for those of states and versions.
    pub(super) async fn rows(&mut self) -> Result<(), Error> {
        for table in ROW_LISTS {
            self.table(table).await?;
        }
        self.second_list().await
    }

    async fn table(&mut self, table: &'static str) -> Result<(), Error> {
        let mut after = Some(RowCursor::default());
        while let Some(from) = after {
            let read = move |view: &View<'_>| view.rows_as_they_stand(table, &from, ROWS_PER_STEP);
            let Some((rows, next)) = self.step(table, read).await? else {
                break;
            };
            for row in rows {
                self.row(table, row);
            }
            after = next;
        }
        Ok(())
    }

    fn row(&mut self, table: &str, row: RowFacts) {
        let address = row
            .workspace
            .zip(row.block)
            .map(|(workspace, block)| RowAddress { workspace, block });
        if !row.fits {
            let text = format!("a row of {table} {CHANGED}");
            self.find_in(Code::ChangedRow, address.as_ref(), None, &text);
        }
        if !row.is_listed {
            let text = format!("a row of {table} {UNLISTED}");
            self.find_in(Code::LostRow, address.as_ref(), None, &text);
        }
    }

    /// Each row was looked at for whether the second list has it; so if that has as many, the two
    /// agree.
    async fn second_list(&mut self) -> Result<(), Error> {
        let read = |view: &View<'_>| view.listed();
        let counted = self.step("the second list", read).await?;
        if let Some((rows, listed)) = counted
            && listed > rows
        {
            let text = format!(
                "the second list of what there is has {} rows that their tables have not",
                listed - rows
            );
            self.find(Code::LostRow, &text);
        }
        Ok(())
    }
}
