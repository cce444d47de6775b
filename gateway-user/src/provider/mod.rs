//! Which hosts are LLM providers, and which dialect a path of theirs speaks.
