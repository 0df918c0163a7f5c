//! Finding instances and outputs in the current versions of the states that a caller may see.

use crate::domain::access::{authorize_somewhere, narrow};
use crate::domain::error::Error;
use crate::domain::states::States;
use crate::model::caller::Caller;
use crate::model::permission::Permission;
use crate::model::search::{FoundPage, Question};

impl States<'_> {
    /// What holds all words of a question, in the order of names. What is masked is not found.
    pub async fn find(&self, caller: &Caller, mut question: Question) -> Result<FoundPage, Error> {
        authorize_somewhere(caller, Permission::Inspect)?;
        let scope = &caller.grant.scope;
        if !narrow(scope, &mut question.workspace, &mut question.block) {
            return Ok(FoundPage::default());
        }
        let store = &self.engine.store;
        let page = store.read(move |view| view.find(&question)).await?;
        store.note_damaged(&page.damaged);
        Ok(page)
    }
}
