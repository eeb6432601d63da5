//! What every command gets: the settings, the way to print, and on demand the way to a server.

use crate::client::Client;
use crate::config::Config;
use crate::failure::Result;
use crate::output::Output;
use std::sync::Arc;

/// Settings and output of one command.
pub(crate) struct Context {
    /// The effective settings.
    pub(crate) config: Arc<Config>,
    /// Where and how to print.
    pub(crate) output: Output,
}

impl Context {
    /// Puts the two together.
    pub(crate) fn new(config: Config, output: Output) -> Self {
        Self {
            config: Arc::new(config),
            output,
        }
    }

    /// The way to the configured server, or to the one that runs for the data directory. Whoever
    /// else listens on the default port is never taken for it.
    ///
    /// # Errors
    /// When none is configured and none runs for the directory.
    pub(crate) fn client(&self) -> Result<Client> {
        let client = self.client_to_be()?;
        client.has_server()?;
        Ok(client)
    }

    /// The same for commands that can do without a server, or start one.
    pub(crate) fn client_to_be(&self) -> Result<Client> {
        Client::new(&self.config)
    }
}
