//! What is said to Kubernetes: the objects of an endpoint, and how its pods are.

pub mod apply;
pub mod desired;
pub mod drift;
pub mod observe;
