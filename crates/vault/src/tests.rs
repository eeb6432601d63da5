//! The vault through its own door: what opens, and all that must not.

use super::*;

const TOKEN: &str = "ghp_a-token-nobody-may-see";

fn organization(n: u8) -> OrganizationId {
    OrganizationId::from_bits([n; 16])
}

fn vault(n: u8) -> Vault {
    Vault::new(MasterKey::from_bytes([n; 32]))
}

struct Row {
    vault: Vault,
    wrapped: WrappedKey,
    sealed: Sealed,
}

fn row() -> Row {
    let vault = vault(1);
    let wrapped = vault.new_data_key(&organization(1)).unwrap();
    let secret = Secret::new(TOKEN.to_owned());
    let sealed = vault
        .seal(&organization(1), &wrapped, "row 1", &secret)
        .unwrap();
    Row {
        vault,
        wrapped,
        sealed,
    }
}

fn open(row: &Row, organization_id: u8, binding: &str, sealed: &Sealed) -> Result<String, Error> {
    let opened = row.vault.open(
        &organization(organization_id),
        &row.wrapped,
        binding,
        sealed,
    );
    opened.map(|s| s.expose().to_owned())
}

#[test]
fn what_was_sealed_opens_in_its_own_row_and_nowhere_else() {
    let row = row();
    assert_eq!(open(&row, 1, "row 1", &row.sealed).as_deref(), Ok(TOKEN));
    assert_eq!(open(&row, 1, "row 2", &row.sealed), Err(Error::DoesNotOpen));
    assert_eq!(
        open(&row, 2, "row 1", &row.sealed),
        Err(Error::WrongMasterKey)
    );
    let other = Row {
        wrapped: row.vault.new_data_key(&organization(1)).unwrap(),
        ..row
    };
    assert_eq!(
        open(&other, 1, "row 1", &other.sealed),
        Err(Error::DoesNotOpen)
    );
}

#[test]
fn a_changed_text_does_not_open() {
    let row = row();
    let text = row.sealed.0.as_bytes();
    for i in 0..text.len() {
        for bit in 0..7 {
            let mut changed = text.to_vec();
            changed[i] ^= 1 << bit;
            let changed = Sealed(String::from_utf8(changed).unwrap());
            assert_eq!(
                open(&row, 1, "row 1", &changed),
                Err(Error::DoesNotOpen),
                "{i} {bit}"
            );
        }
        let cut = Sealed(row.sealed.0[..i].to_owned());
        assert_eq!(
            open(&row, 1, "row 1", &cut),
            Err(Error::DoesNotOpen),
            "cut at {i}"
        );
    }
}

#[test]
fn another_master_key_opens_nothing_and_is_found_out_at_start() {
    let row = row();
    let check = row.vault.check_value().unwrap();
    assert_eq!(row.vault.verify_check(&check), Ok(()));
    assert_eq!(vault(2).verify_check(&check), Err(Error::WrongMasterKey));
    assert_eq!(
        row.vault.verify_check("v1.AAAA"),
        Err(Error::WrongMasterKey)
    );
    let other = Row {
        vault: vault(2),
        ..row
    };
    assert_eq!(
        open(&other, 1, "row 1", &other.sealed),
        Err(Error::WrongMasterKey)
    );
}

#[test]
fn a_master_key_is_handed_over_and_data_keys_go_with_it() {
    let row = row();
    let next = vault(2);
    let sealed = row.vault.hand_over(&next).unwrap();
    let taken = row.vault.take_over(&sealed).unwrap();
    assert_eq!(taken.fingerprint(), next.fingerprint());
    assert_ne!(row.vault.fingerprint(), next.fingerprint());
    assert_eq!(
        vault(3).take_over(&sealed).err(),
        Some(Error::WrongMasterKey)
    );
    let moved = Row {
        wrapped: row
            .vault
            .rewrap(&organization(1), &row.wrapped, &taken)
            .unwrap(),
        vault: taken,
        sealed: row.sealed.clone(),
    };
    assert_eq!(
        open(&moved, 1, "row 1", &moved.sealed).as_deref(),
        Ok(TOKEN)
    );
    assert_eq!(
        open(
            &Row {
                vault: vault(1),
                ..moved
            },
            1,
            "row 1",
            &row.sealed
        ),
        Err(Error::WrongMasterKey),
        "the old one opens what it wrapped no longer"
    );
}

#[test]
fn a_sealed_text_shows_nothing_and_is_never_the_same() {
    let first = row();
    let secret = Secret::new(TOKEN.to_owned());
    let again = first
        .vault
        .seal(&organization(1), &first.wrapped, "row 1", &secret)
        .unwrap();
    assert_ne!(first.sealed, again);
    for text in [&first.sealed.0, &again.0, &first.wrapped.0] {
        assert!(text.starts_with("v1."));
        let bytes = base64::Engine::decode(
            &base64::engine::general_purpose::STANDARD_NO_PAD,
            text.trim_start_matches("v1."),
        );
        assert!(
            !bytes
                .unwrap()
                .windows(4)
                .any(|w| TOKEN.as_bytes().windows(4).any(|t| t == w))
        );
    }
    let empty = Secret::new(String::new());
    let sealed = first
        .vault
        .seal(&organization(1), &first.wrapped, "row 1", &empty)
        .unwrap();
    assert_eq!(open(&first, 1, "row 1", &sealed).as_deref(), Ok(""));
}

#[test]
fn master_keys_are_read_back_and_refused_with_a_reason() {
    let key = MasterKey::generate().unwrap();
    let text = key.to_base64();
    let read = MasterKey::parse(&format!("  {}\n", *text)).unwrap();
    assert_eq!(*read.to_base64(), *text);
    for (bad, why) in [
        ("", "it is empty"),
        ("  \n", "it is empty"),
        ("not base64!", "it is not base64"),
        ("AAAA", "it is shorter"),
        (&"A".repeat(48), "it is longer"),
    ] {
        assert_eq!(
            MasterKey::parse(bad).err(),
            Some(Error::BadMasterKey(why)),
            "{bad}"
        );
    }
}
