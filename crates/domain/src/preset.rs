//! Services that people connect first: where each describes itself, how it lets callers in, and
//! where a credential is had.
//!
//! Data alone, and public: nothing is contacted until a person adds one. A preset is a shorthand for
//! typing its address; what it adds is a source like any other.

/// A service that is connected by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// What it is added by, and the first segment of its tools' paths.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// What it is for, in a few words.
    pub summary: &'static str,
    /// The kind of source it becomes: `openapi`, `graphql` or `mcp`.
    pub kind: &'static str,
    /// The address of its description or endpoint.
    pub url: &'static str,
    /// Where its calls go, where that differs for each customer: `{…}` is for the person to fill in.
    pub base_url: Option<&'static str>,
    /// How it lets callers in: `oauth`, `bearer`, `basic` or `header:NAME`.
    pub auth: &'static str,
    /// Where a person gets the credential, or reads how.
    pub credential_url: &'static str,
}

/// All presets, those of one purpose together.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "github",
        title: "GitHub",
        summary: "repositories, issues, pull requests, actions",
        kind: "openapi",
        url: "https://raw.githubusercontent.com/github/rest-api-description/main/descriptions/api.github.com/api.github.com.json",
        base_url: None,
        auth: "bearer",
        credential_url: "https://github.com/settings/tokens",
    },
    Preset {
        name: "gitlab",
        title: "GitLab",
        summary: "projects, issues, merge requests, pipelines",
        kind: "mcp",
        url: "https://gitlab.com/api/v4/mcp",
        base_url: None,
        auth: "oauth",
        credential_url: "https://docs.gitlab.com/user/gitlab_duo/model_context_protocol/mcp_server/",
    },
    Preset {
        name: "linear",
        title: "Linear",
        summary: "issues, projects, cycles",
        kind: "mcp",
        url: "https://mcp.linear.app/mcp",
        base_url: None,
        auth: "oauth",
        credential_url: "https://linear.app/docs/mcp",
    },
    Preset {
        name: "jira",
        title: "Jira and Confluence",
        summary: "issues, projects, pages",
        kind: "mcp",
        url: "https://mcp.atlassian.com/v1/mcp",
        base_url: None,
        auth: "oauth",
        credential_url: "https://www.atlassian.com/platform/remote-mcp-server",
    },
    Preset {
        name: "asana",
        title: "Asana",
        summary: "tasks, projects, portfolios",
        kind: "openapi",
        url: "https://raw.githubusercontent.com/Asana/openapi/master/defs/asana_oas.yaml",
        base_url: None,
        auth: "bearer",
        credential_url: "https://app.asana.com/0/my-apps",
    },
    Preset {
        name: "notion",
        title: "Notion",
        summary: "pages, databases, comments",
        kind: "mcp",
        url: "https://mcp.notion.com/mcp",
        base_url: None,
        auth: "oauth",
        credential_url: "https://developers.notion.com/docs/mcp",
    },
    Preset {
        name: "slack",
        title: "Slack",
        summary: "messages, channels, search",
        kind: "mcp",
        url: "https://mcp.slack.com/mcp",
        base_url: None,
        auth: "oauth",
        credential_url: "https://docs.slack.dev/ai/slack-mcp-server/",
    },
    Preset {
        name: "discord",
        title: "Discord",
        summary: "guilds, channels, messages",
        kind: "openapi",
        url: "https://raw.githubusercontent.com/discord/discord-api-spec/main/specs/openapi.json",
        base_url: None,
        auth: "header:Authorization",
        credential_url: "https://discord.com/developers/applications",
    },
    Preset {
        name: "gmail",
        title: "Gmail",
        summary: "mail: search, read, drafts, labels",
        kind: "mcp",
        url: "https://gmailmcp.googleapis.com/mcp/v1",
        base_url: None,
        auth: "oauth",
        credential_url: "https://console.cloud.google.com/apis/credentials",
    },
    Preset {
        name: "googleCalendar",
        title: "Google Calendar",
        summary: "events, calendars, free times",
        kind: "mcp",
        url: "https://calendarmcp.googleapis.com/mcp/v1",
        base_url: None,
        auth: "oauth",
        credential_url: "https://console.cloud.google.com/apis/credentials",
    },
    Preset {
        name: "googleDrive",
        title: "Google Drive",
        summary: "files, folders, search",
        kind: "mcp",
        url: "https://drivemcp.googleapis.com/mcp/v1",
        base_url: None,
        auth: "oauth",
        credential_url: "https://console.cloud.google.com/apis/credentials",
    },
    Preset {
        name: "stripe",
        title: "Stripe",
        summary: "payments, customers, subscriptions, invoices",
        kind: "openapi",
        url: "https://raw.githubusercontent.com/stripe/openapi/master/latest/openapi.spec3.json",
        base_url: None,
        auth: "bearer",
        credential_url: "https://dashboard.stripe.com/apikeys",
    },
    Preset {
        name: "hubspot",
        title: "HubSpot",
        summary: "contacts, companies, deals",
        kind: "mcp",
        url: "https://mcp.hubspot.com",
        base_url: None,
        auth: "oauth",
        credential_url: "https://developers.hubspot.com/mcp",
    },
    Preset {
        name: "zendesk",
        title: "Zendesk",
        summary: "tickets, users, organizations",
        kind: "openapi",
        url: "https://developer.zendesk.com/zendesk/oas.yaml",
        base_url: Some("https://{subdomain}.zendesk.com"),
        auth: "basic",
        credential_url: "https://developer.zendesk.com/api-reference/introduction/security-and-auth/",
    },
    Preset {
        name: "intercom",
        title: "Intercom",
        summary: "conversations, contacts, articles",
        kind: "mcp",
        url: "https://mcp.intercom.com/mcp",
        base_url: None,
        auth: "oauth",
        credential_url: "https://developers.intercom.com/docs/guides/mcp",
    },
    Preset {
        name: "airtable",
        title: "Airtable",
        summary: "bases, tables, records",
        kind: "mcp",
        url: "https://mcp.airtable.com/mcp",
        base_url: None,
        auth: "oauth",
        credential_url: "https://support.airtable.com/docs/using-the-airtable-mcp-server",
    },
    Preset {
        name: "twilio",
        title: "Twilio",
        summary: "calls, text messages, phone numbers",
        kind: "openapi",
        url: "https://raw.githubusercontent.com/twilio/twilio-oai/main/spec/json/twilio_api_v2010.json",
        base_url: None,
        auth: "basic",
        credential_url: "https://console.twilio.com/",
    },
    Preset {
        name: "resend",
        title: "Resend",
        summary: "sending mail, domains, audiences",
        kind: "openapi",
        url: "https://raw.githubusercontent.com/resend/resend-openapi/main/resend.yaml",
        base_url: None,
        auth: "bearer",
        credential_url: "https://resend.com/api-keys",
    },
    Preset {
        name: "sentry",
        title: "Sentry",
        summary: "errors, issues, traces",
        kind: "mcp",
        url: "https://mcp.sentry.dev/mcp",
        base_url: None,
        auth: "oauth",
        credential_url: "https://docs.sentry.io/product/sentry-mcp/",
    },
    Preset {
        name: "posthog",
        title: "PostHog",
        summary: "events, insights, feature flags",
        kind: "openapi",
        url: "https://app.posthog.com/api/schema/",
        base_url: None,
        auth: "bearer",
        credential_url: "https://us.posthog.com/settings/user-api-keys",
    },
    Preset {
        name: "cloudflare",
        title: "Cloudflare",
        summary: "zones, DNS, Workers, R2",
        kind: "openapi",
        url: "https://raw.githubusercontent.com/cloudflare/api-schemas/main/openapi.json",
        base_url: None,
        auth: "bearer",
        credential_url: "https://dash.cloudflare.com/profile/api-tokens",
    },
    Preset {
        name: "vercel",
        title: "Vercel",
        summary: "projects, deployments, domains",
        kind: "openapi",
        url: "https://openapi.vercel.sh/",
        base_url: None,
        auth: "bearer",
        credential_url: "https://vercel.com/account/settings/tokens",
    },
    Preset {
        name: "supabase",
        title: "Supabase",
        summary: "projects, databases, functions",
        kind: "openapi",
        url: "https://api.supabase.com/api/v1-json",
        base_url: None,
        auth: "bearer",
        credential_url: "https://supabase.com/dashboard/account/tokens",
    },
    Preset {
        name: "figma",
        title: "Figma",
        summary: "files, comments, components",
        kind: "openapi",
        url: "https://raw.githubusercontent.com/figma/rest-api-spec/main/openapi/openapi.yaml",
        base_url: None,
        auth: "header:X-Figma-Token",
        credential_url: "https://www.figma.com/developers/api#access-tokens",
    },
    Preset {
        name: "openai",
        title: "OpenAI",
        summary: "responses, files, images, fine-tuning",
        kind: "openapi",
        url: "https://app.stainless.com/api/spec/documented/openai/openapi.documented.yml",
        base_url: None,
        auth: "bearer",
        credential_url: "https://platform.openai.com/api-keys",
    },
];

/// The preset of a name, whatever its case.
#[must_use]
pub fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|p| p.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Where each address was read, in November 2026: a file of the publisher's own repository, or a
    /// page of its documentation, where need be as others cite it.
    const READ_IN: [(&str, &str); 25] = [
        (
            "github",
            "github/rest-api-description: descriptions/api.github.com/api.github.com.json",
        ),
        (
            "gitlab",
            "docs.gitlab.com, GitLab MCP server: /api/v4/mcp of the instance",
        ),
        ("linear", "linear.app/docs/mcp"),
        ("jira", "atlassian/atlassian-mcp-server: README"),
        ("asana", "Asana/openapi: defs/asana_oas.yaml"),
        ("notion", "developers.notion.com/docs/mcp"),
        (
            "slack",
            "docs.slack.dev/ai/slack-mcp-server: no dynamic registration, a client of one's own",
        ),
        ("discord", "discord/discord-api-spec: specs/openapi.json"),
        (
            "gmail",
            "developers.google.com/workspace/gmail/api/reference/mcp",
        ),
        (
            "googleCalendar",
            "developers.google.com/workspace/calendar/api/reference/mcp",
        ),
        (
            "googleDrive",
            "developers.google.com/workspace/drive/api/reference/mcp",
        ),
        ("stripe", "stripe/openapi: latest/openapi.spec3.json"),
        (
            "hubspot",
            "developers.hubspot.com/mcp: the address without a path; a client of one's own",
        ),
        (
            "zendesk",
            "developer.zendesk.com, Ticketing API, \"Download OpenAPI file\"",
        ),
        (
            "intercom",
            "developers.intercom.com/docs/guides/mcp: /mcp of the region, here the US",
        ),
        (
            "airtable",
            "support.airtable.com, Using the Airtable MCP server",
        ),
        (
            "twilio",
            "twilio/twilio-oai: spec/json/twilio_api_v2010.json",
        ),
        ("resend", "resend/resend-openapi: resend.yaml"),
        ("sentry", "docs.sentry.io/product/sentry-mcp"),
        (
            "posthog",
            "PostHog/posthog.com: gatsby/sourceNodes.ts, POSTHOG_OPEN_API_SPEC_URL",
        ),
        ("cloudflare", "cloudflare/api-schemas: openapi.json"),
        (
            "vercel",
            "vercel.com/docs/rest-api: the OpenAPI specification",
        ),
        (
            "supabase",
            "supabase.com/docs/reference/api/introduction, \"OpenAPI Spec\"",
        ),
        ("figma", "figma/rest-api-spec: openapi/openapi.yaml"),
        (
            "openai",
            "openai/openai-openapi: README, the documented specification",
        ),
    ];

    #[test]
    fn every_address_was_read_somewhere() {
        let told: Vec<&str> = READ_IN.iter().map(|(name, _)| *name).collect();
        let all: Vec<&str> = PRESETS.iter().map(|p| p.name).collect();
        assert_eq!(
            told, all,
            "whoever adds or changes one says where it comes from"
        );
        assert!(READ_IN.iter().all(|(_, place)| place.contains(['.', '/'])));
    }

    #[test]
    fn every_preset_can_be_added() {
        let names: BTreeSet<String> = PRESETS.iter().map(|p| p.name.to_lowercase()).collect();
        assert_eq!(names.len(), PRESETS.len(), "a name stands for one service");
        assert!(PRESETS.len() >= 20);
        for preset in PRESETS {
            let Preset {
                name,
                title,
                summary,
                kind,
                url,
                base_url,
                auth,
                credential_url,
            } = *preset;
            // The first segment of a path, as an importer would have it.
            assert!(name.starts_with(|c: char| c.is_ascii_lowercase()), "{name}");
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "{name}");
            assert!(
                !title.is_empty() && !summary.is_empty() && summary.len() < 60,
                "{name}"
            );
            assert!(
                ["openapi", "graphql", "mcp"].contains(&kind),
                "{name}: {kind}"
            );
            for address in [url, credential_url].into_iter().chain(base_url) {
                let host = address.strip_prefix("https://").unwrap_or_default();
                let host = host.split('/').next().unwrap_or_default();
                assert!(
                    host.contains('.') && !host.contains('@'),
                    "{name}: {address}"
                );
                assert!(!address.contains(char::is_whitespace), "{name}: {address}");
            }
            assert!(
                !url.contains('{') && !credential_url.contains('{'),
                "{name}"
            );
            let known = matches!(auth, "oauth" | "bearer" | "basic");
            assert!(
                known || auth.strip_prefix("header:").is_some_and(|n| !n.is_empty()),
                "{name}: {auth}"
            );
            assert_eq!(find(&name.to_uppercase()), Some(preset));
        }
        assert_eq!(find("no such service"), None);
    }
}
