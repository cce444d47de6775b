//! Requests signed over their body: one that was changed on the way would be refused by the provider.

use http::{HeaderMap, header};

/// Schemes whose signature covers the body, as they begin an `authorization` header: AWS Signature Version 4 and 4A
/// (docs.aws.amazon.com, "Signature Version 4 signing process"), Tencent's and Alibaba's version 3.
const SCHEMES: &[&str] =
    &["AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", "TC3-HMAC-SHA256", "ACS3-HMAC-SHA256"];

/// Headers that hold a digest of the body for such a signature.
const DIGESTS: &[&str] = &["x-amz-content-sha256", "x-tc-content-sha256"];

/// What stands there when the body is not covered.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// Whether a request's signature covers its body. Also in the query, as in presigned URLs.
pub fn is_signed(headers: &HeaderMap, query: Option<&str>) -> bool {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let authorization = value(header::AUTHORIZATION.as_str());
    let scheme = authorization.split([' ', ',']).next().unwrap_or_default();
    let named = SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme));
    let presigned =
        query.is_some_and(|query| query.split('&').any(|pair| pair.starts_with("X-Amz-Signature=")));
    (named || presigned) && DIGESTS.iter().all(|name| value(name) != UNSIGNED)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(authorization: &'static str, digest: Option<&'static str>, query: Option<&str>, expected: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static(authorization));
        if let Some(digest) = digest {
            headers.insert(DIGESTS[0], HeaderValue::from_static(digest));
        }
        assert_eq!(is_signed(&headers, query), expected, "{authorization} {digest:?} {query:?}");
    }

    #[test]
    fn signatures_are_told_from_keys() {
        let signature =
            "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/bedrock/aws4_request, Signature=00";
        check(signature, None, None, true);
        check(signature, Some("e3b0c442"), None, true);
        check(signature, Some(UNSIGNED), None, false);
        check("aws4-hmac-sha256 Credential=x", None, None, true);
        check("Bearer key", None, None, false);
        check("Bearer key", None, Some("a=b&X-Amz-Signature=00"), true);
        check("TC3-HMAC-SHA256 Credential=x", None, None, true);
    }
}
