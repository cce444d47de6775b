//! Names of validators, and values each passes and refuses.

use super::*;

#[test]
fn names_are_read_strictly() {
    assert_eq!(Validator::parse("luhn"), Some(Validator::Luhn));
    assert_eq!(Validator::parse("entropy 3.5"), Some(Validator::Entropy(3.5)));
    for wrong in ["", "lun", "luhn 3", "entropy", "entropy x", "entropy 9", "entropy 3 4", "digits 3"] {
        assert_eq!(Validator::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn values_are_checked() {
    let cases: &[(&str, &str, bool)] = &[
        ("luhn", "4111 1111 1111 1111", true),
        ("luhn", "4111-1111-1111-1112", false),
        ("luhn", "0000000000000000", false),
        ("entropy 3", "aaaaaaaaaaaaaaaa", false),
        ("entropy 3", "q8Zt1LmX0vRk7PwY", true),
        ("iban", "DE89 3704 0044 0532 0130 00", true),
        ("iban", "DE89 3704 0044 0532 0130 01", false),
        ("iban", "GB82WEST12345698765432", true),
        ("iban", "GB82WEST1234569876543", false),
        ("ssn", "536-90-4399", true),
        ("ssn", "666-90-4399", false),
        ("ssn", "900-90-4399", false),
        ("ssn", "536-00-4399", false),
        ("ssn", "536-90-0000", false),
        ("digits 3 4", "1-2-3", true),
        ("digits 3 4", "1-2-3-4-5", false),
        ("gb11643", "11010519491231002X", true),
        ("gb11643", "110105194912310021", false),
        ("not_placeholder", "AKIAIOSFODNN7EXAMPLE", false),
        ("not_placeholder", "sk-xxxxxxxxxxxx", false),
        ("not_placeholder", "sk-9fK2mQ7x", true),
    ];
    for (name, value, expected) in cases {
        let validator = Validator::parse(name).expect("a known name");
        assert_eq!(validator.passes(value.as_bytes()), *expected, "{name} {value}");
    }
}
