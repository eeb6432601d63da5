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

    /// The way to the configured server.
    pub(crate) fn client(&self) -> Result<Client> {
        Client::new(&self.config)
    }
}
