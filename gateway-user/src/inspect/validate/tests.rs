//! Names of validators, values each passes and refuses, and that no bytes make one panic.

use super::*;

#[test]
fn names_are_read_strictly() {
    assert_eq!(Validator::parse("luhn"), Some(Validator::Luhn));
    assert_eq!(Validator::parse("entropy 3.5"), Some(Validator::Entropy(3.5)));
    for wrong in
        ["", "lun", "luhn 3", "entropy", "entropy x", "entropy 9", "entropy 3 4", "digits 3", "iban 2"]
    {
        assert_eq!(Validator::parse(wrong), None, "{wrong}");
    }
    let all: Vec<&str> = CHECKS.iter().copied().flatten().map(|check| check.0).collect();
    for name in &all {
        assert!(names().contains(name) && Validator::parse(name).is_some(), "{name}");
        assert_eq!(all.iter().filter(|other| *other == name).count(), 1, "{name} stands once");
    }
}

fn passes(name: &str, value: &str) -> bool {
    Validator::parse(name).unwrap_or_else(|| panic!("{name} is known")).passes(value.as_bytes())
}

#[test]
fn values_are_checked() {
    let cases: &[(&str, &str, bool)] = &[
        ("luhn", "4111 1111 1111 1111", true),
        ("luhn", "4111-1111-1111-1112", false),
        ("luhn", "0000000000000000", false),
        ("entropy 3", "aaaaaaaaaaaaaaaa", false),
        ("entropy 3", "q8Zt1LmX0vRk7PwY", true),
        ("iban", "GB82WEST1234569876543", false),
        ("iban", "XX82WEST12345698765432", false),
        ("iban", "GB", false),
        ("ssn", "666-90-4399", false),
        ("ssn", "900-90-4399", false),
        ("ssn", "536-00-4399", false),
        ("ssn", "536-90-0000", false),
        ("ssn", "111-11-1111", false),
        ("digits 3 4", "1-2-3", true),
        ("digits 3 4", "1-2-3-4-5", false),
        ("gb11643", "110105194913310025", false),
        ("gb11643", "99010519491231002X", false),
        ("not_placeholder", "AKIAIOSFODNN7EXAMPLE", false),
        ("not_placeholder", "sk-xxxxxxxxxxxx", false),
        ("not_placeholder", "sk-9fK2mQ7x", true),
        ("ipv6", "fe80::1%eth0", true),
        ("ipv6", "2001:db8::/32", true),
        ("ipv6", "2001:db8::/329", false),
        ("ipv6", "1::2::3", false),
        ("ipv6", "face::bead", false),
        ("ipv6", "00:11:22:33:44:55:66:77", false),
        ("phone", "+49 171 1234567", true),
        ("phone", "2026-11-22", false),
        ("phone", "22.11.2026", false),
        ("phone", "10.20.30.40", false),
        ("phone", "12345", false),
        ("phone", "000-000-0000", false),
        ("phone", "+1 2 3 4 5 6 7", false),
        ("phone", "0123456789", false),
        ("phone_world", "+49 (0)171 1234567", true),
        ("phone_world", "+1 415 555 2671", true),
        ("phone_world", "+1 015 555 2671", false),
        ("phone_world", "+210 123 4567", false),
        ("phone_world", "+", false),
        ("phone_plan", "0044 20 7946 0958", true),
        ("phone_plan", "06 12 34 56 78", true),
        ("phone_plan", "06 12 34 56 78 90", false),
        ("phone_plan", "112-555-2671", false),
        ("phone_plan", "", false),
        ("date", "31/12/1999", true),
        ("date", "1999-12-31", true),
        ("date", "1999-31-31", false),
        ("date", "12/34/1999", false),
        ("uk_nino", "QQ 12 34 56 C", false),
        ("uk_nino", "BG123456C", false),
        ("us_itin", "912-66-4399", false),
        ("card", "503890123456", false),
        ("sg_nric", "A1234567D", false),
        ("in_aadhaar", "123456789012", false),
        ("cl_rut", "30.686.957-X", false),
        ("cl_rut", "12.345.678-5", true),
        ("bech32", "bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", true),
        ("bech32", "bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcz", false),
        ("bech32", "1", false),
        ("base58check", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3", false),
    ];
    for (name, value, expected) in cases {
        assert_eq!(passes(name, value), *expected, "{name} {value}");
    }
}

/// Numbers that issuers or encyclopedias print as samples, one a check: they pass, and most changes of one digit
/// are noticed.
const SAMPLES: &[(&str, &str)] = &[
    ("iban", "DE89 3704 0044 0532 0130 00"),
    ("iban", "GB82WEST12345698765432"),
    ("iban", "fr14 2004 1010 0505 0001 3m02 606"),
    ("card", "4111 1111 1111 1111"),
    ("card", "378282246310005"),
    ("card", "3056 930902 5904"),
    ("card_any", "6761700000001231"),
    ("card_any", "6304000000000000"),
    ("us_aba", "111000025"),
    ("base58check", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"),
    ("bech32", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
    ("imei", "490154203237518"),
    ("vin", "1M8GDM9AXKP042788"),
    ("icao", "L898902C36"),
    ("us_npi", "1234567893"),
    ("us_dea", "AB1234563"),
    ("ca_sin", "046 454 286"),
    ("mx_curp", "HEGG560427MVZRRL04"),
    ("mx_rfc", "GODE561231GR8"),
    ("br_cpf", "111.444.777-35"),
    ("br_cnpj", "11.222.333/0001-81"),
    ("ar_cuit", "20-12345678-6"),
    ("cl_rut", "30.686.957-4"),
    ("pe_ruc", "20512333797"),
    ("ec_cedula", "1710034065"),
    ("gb11643", "11010519491231002X"),
    ("cn_uscc", "91350100M000100Y43"),
    ("hk_hkid", "A123456(3)"),
    ("hk_hkid", "AB987654(3)"),
    ("tw_id", "A123456789"),
    ("jp_my_number", "123456789018"),
    ("kr_rrn", "800101-1234560"),
    ("kr_brn", "123-45-67891"),
    ("sg_nric", "S1234567D"),
    ("th_tnin", "1-2345-67890-12-1"),
    ("in_aadhaar", "2341 2341 2346"),
    ("ir_code", "0084575948"),
    ("tr_id", "10000000146"),
    ("il_id", "123456782"),
    ("au_tfn", "123 456 782"),
    ("au_abn", "51 824 753 556"),
    ("au_acn", "004 085 616"),
    ("au_medicare", "2123 45670 1"),
    ("nz_ird", "49-091-850"),
    ("nz_ird", "136-410-132"),
    ("za_id", "8001015009087"),
    ("pl_pesel", "44051401359"),
    ("pl_nip", "123-456-32-18"),
    ("cz_rodne_cislo", "736028/5163"),
    ("hu_tax_id", "8234567802"),
    ("ro_cnp", "1630615123457"),
    ("bg_egn", "7523169263"),
    ("ua_rntrc", "1759013776"),
    ("ru_inn", "7707083893"),
    ("ru_inn", "500100732259"),
    ("ru_snils", "112-233-445 95"),
    ("kz_iin", "900101350013"),
    ("se_personnummer", "811228-9874"),
    ("se_orgnr", "212000-0142"),
    ("fi_hetu", "131052-308T"),
    ("no_fnr", "15108695088"),
    ("is_kennitala", "120174-3399"),
    ("baltic_id", "37605030299"),
    ("lv_id", "161175-19997"),
    ("es_nif", "12345678Z"),
    ("es_nif", "X1234567L"),
    ("es_cif", "A58818501"),
    ("pt_nif", "123456789"),
    ("it_fiscal_code", "RSSMRA85T10A562S"),
    ("it_vat", "00743110157"),
    ("gr_afm", "094259216"),
    ("hr_oib", "94577403194"),
    ("jmbg", "0101006500006"),
    ("uk_nhs", "943 476 5919"),
    ("uk_utr", "1955839661"),
    ("ie_pps", "1234567T"),
    ("ie_pps", "1234567FA"),
    ("fr_nir", "2 55 08 14 168 025 38"),
    ("fr_spi", "3023217600053"),
    ("siren", "732 829 320"),
    ("siren", "732 829 320 00074"),
    ("be_nn", "85.07.30-033 28"),
    ("nl_bsn", "111222333"),
    ("lu_nin", "1990010112385"),
    ("de_tax_id", "86 095 742 719"),
    ("de_tax_id_strict", "65929970489"),
    ("de_svnr", "15 070649 C 103"),
    ("de_kvnr", "A123456780"),
    ("de_lanr", "901234401"),
    ("mod_11_10", "136695976"),
    ("at_svnr", "1237 010180"),
    ("ch_ahv", "756.9217.0769.85"),
];

#[test]
fn samples_pass_and_changed_samples_do_not() {
    let mut wrong = Vec::new();
    for (name, sample) in SAMPLES {
        if !passes(name, sample) {
            wrong.push(format!("{name} {sample} does not pass"));
        }
        let (mut changed, mut passed) = (0, 0);
        for place in
            sample.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()).map(|(place, _)| place)
        {
            for digit in b'0'..=b'9' {
                let mut other = sample.as_bytes().to_vec();
                other[place] = digit;
                if other != sample.as_bytes() {
                    changed += 1;
                    passed += usize::from(passes(name, std::str::from_utf8(&other).expect("ASCII")));
                }
            }
        }
        if passed * 3 > changed {
            wrong.push(format!("{name} {sample}: {passed} of {changed} changes pass"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_checksum_has_a_sample() {
    // These know shapes and dates only.
    const WITHOUT: [&str; 8] =
        ["ssn", "us_itin", "uk_nino", "kr_rrn_date", "my_nric", "id_nik", "dk_cpr", "ipv6"];
    const MORE: [&str; 4] = ["phone", "phone_world", "phone_plan", "date"];
    for check in CHECKS.iter().copied().flatten() {
        // Those of credentials are tried beside their code: no digit of theirs is a checksum.
        let sampled = SAMPLES.iter().any(|(name, _)| *name == check.0) || credentials::CHECKS.contains(check);
        assert!(sampled || WITHOUT.contains(&check.0) || MORE.contains(&check.0), "{}", check.0);
    }
    for (name, value) in [
        ("ssn", "536-90-4399"),
        ("us_itin", "912-70-1234"),
        ("uk_nino", "AB 12 34 56 C"),
        ("kr_rrn_date", "800101-2345671"),
        ("my_nric", "800101-14-5678"),
        ("id_nik", "3171234101900005"),
        ("dk_cpr", "211062-5629"),
    ] {
        assert!(passes(name, value), "{name} {value}");
    }
}

#[test]
fn no_bytes_make_a_check_panic() {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    const ALPHABETS: [&[u8]; 4] =
        [b"0123456789", b"0123456789 -./()+", b"09AZaz:%/._1", &[0, 9, 127, 128, 255, b'1']];
    for round in 0..4_000 {
        let length = next() as usize % if round % 8 == 0 { 200 } else { 24 };
        let alphabet = ALPHABETS[round % ALPHABETS.len()];
        let value: Vec<u8> = (0..length).map(|_| alphabet[next() as usize % alphabet.len()]).collect();
        for check in CHECKS.iter().copied().flatten() {
            let _ = check.1(&value);
        }
    }
}
