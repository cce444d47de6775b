//! Hostile clients: whatever one connection does, memory stays bounded and the others are served. And what TLS
//! scanners say of the terminating listener. They need root, for the scanners' world.

mod floods;
mod frames;
mod idle;
mod scanners;
mod stage;
