//! Who may do what, tried: each role, each scope, who decides and who reaches how far.

use super::*;

fn caller(role: Role, channel: Channel) -> Caller {
    Caller {
        organization_id: OrganizationId::from_bits([1; 16]),
        workspace_id: WorkspaceId::from_bits([2; 16]),
        account_id: AccountId::from_bits([3; 16]),
        role,
        channel,
        client: String::new(),
        key_id: None,
        grant_id: None,
        scopes: Scopes::ALL,
        requests_per_minute: None,
    }
}

#[test]
fn the_role_table() {
    use Permission::*;
    let member = [
        Enter,
        RunTasks,
        SeeTasks,
        SeeCatalog,
        SeeRules,
        SeeSettings,
        SeeCredentials,
        SeeKeys,
        OwnRules,
        OwnCredentials,
        OwnKeys,
        OwnNotifications,
    ];
    let owner = [
        ManageOrganization,
        OrganizationRules,
        OrganizationCredentials,
    ];
    for permission in Permission::ALL {
        for (role, granted) in [
            (Role::Member, member.contains(&permission)),
            (Role::BillingAdmin, member.contains(&permission)),
            (Role::Admin, !owner.contains(&permission)),
            (Role::Owner, true),
        ] {
            assert_eq!(
                caller(role, Channel::Cli).scope(permission).is_ok(),
                granted,
                "{role:?} {permission:?}"
            );
        }
    }
}

#[test]
fn a_key_does_what_its_scopes_say() {
    use Permission::*;
    let with = |scopes: &str| Caller {
        key_id: Some(KeyId::from_bits([4; 16])),
        scopes: Scopes::parse(scopes).unwrap(),
        ..caller(Role::Owner, Channel::Api)
    };
    for (scopes, granted) in [
        ("", vec![]),
        ("run", vec![RunTasks, SeeTasks, SeeCatalog]),
        (
            "read",
            vec![
                SeeTasks,
                SeeAllTasks,
                SeeCatalog,
                SeeRules,
                SeeSettings,
                SeeCredentials,
                SeeKeys,
            ],
        ),
        ("sources", vec![ManageSources, SeeCatalog]),
        (
            "policies",
            vec![
                OwnRules,
                ManageRules,
                OrganizationRules,
                SeeRules,
                SeeCatalog,
            ],
        ),
        (
            "credentials",
            vec![
                OwnCredentials,
                ManageCredentials,
                OrganizationCredentials,
                SeeCredentials,
                SeeCatalog,
            ],
        ),
        ("keys", vec![OwnKeys, ManageKeys, SeeKeys]),
        ("members", vec![ManageMembers, ManageOrganization]),
        ("settings", vec![ManageWorkspace, SeeSettings]),
        ("audit", vec![ReadAudit]),
    ] {
        for permission in Permission::ALL {
            let asked = with(scopes).scope(permission);
            assert_eq!(
                asked.is_ok(),
                granted.contains(&permission) || permission == Enter,
                "{scopes} {permission:?}"
            );
        }
    }
    assert_eq!(
        with("run").scope(ReadAudit),
        Err(Forbidden::Scope {
            missing: ScopeName::Audit,
            what: "read the audit log"
        })
    );
}

#[test]
fn who_decides_and_who_adds_commands() {
    let key = KeyId::from_bits([4; 16]);
    for (channel, in_person, with_key) in [
        (Channel::Dashboard, true, false),
        (Channel::Cli, true, false),
        (Channel::Api, true, false),
        (Channel::Mcp, false, false),
        (Channel::Client, true, true),
    ] {
        for (key_id, expected) in [(None, in_person), (Some(key.clone()), with_key)] {
            let held = key_id.is_some();
            let caller = Caller {
                key_id,
                ..caller(Role::Owner, channel)
            };
            let decides = caller.scope(Permission::DecideApprovals);
            assert_eq!(decides.is_ok(), expected, "{channel:?}, key: {held}");
            let commands = caller.scope(Permission::RunCommands);
            assert_eq!(commands.is_ok(), expected, "{channel:?}, key: {held}");
            assert!(
                caller.scope(Permission::RunTasks).is_ok(),
                "{channel:?}, key: {held}"
            );
            let member = Caller {
                role: Role::Member,
                ..caller
            };
            assert!(
                member.scope(Permission::DecideApprovals).is_err(),
                "{channel:?}, key: {held}"
            );
        }
    }
}

#[test]
fn nobody_reaches_above_their_own_role() {
    let ascending = [Role::Member, Role::BillingAdmin, Role::Admin, Role::Owner];
    for (mine, role) in ascending.into_iter().enumerate() {
        for (other, wanted) in ascending.into_iter().enumerate() {
            assert_eq!(
                caller(role, Channel::Cli).reaches(wanted, "x").is_ok(),
                other <= mine,
                "{role:?} {wanted:?}"
            );
        }
    }
}
