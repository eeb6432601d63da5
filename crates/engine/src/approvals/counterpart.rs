//! Which call reads what a question is about, so that the person can look at it first. The person makes
//! that call like any other: through the gate, and recorded.

use crate::{Engine, Error};
use domain::ApprovalId;
use domain::access::{Caller, Permission};
use futures_util::future::BoxFuture;
use tools::Counterpart;

impl Engine {
    /// The call that reads what an approval's call would change; none where the source does not
    /// describe one.
    ///
    /// # Errors
    /// `not_found`.
    pub fn counterpart(
        &self,
        caller: &Caller,
        id: &ApprovalId,
    ) -> BoxFuture<'_, Result<Option<Counterpart>, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let approval = self.approval(&caller, &id).await?;
            let scope = caller.scope(Permission::RunTasks)?;
            let catalog = self.catalog(&scope).await?;
            let Some((tool, source)) = catalog.lookup(&approval.binding.tool) else {
                return Ok(None);
            };
            let arguments = serde_json::from_str(&approval.arguments).unwrap_or_default();
            Ok(tools::counterpart(source, tool, &arguments))
        })
    }
}
