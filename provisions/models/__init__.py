"""Provisions of orders, and the certificates of sidecars."""

from provisions.models.certificates import SidecarAuthority, SidecarCertificate, SidecarEnrolment
from provisions.models.provision import Provision, ProvisionKind

__all__ = ["Provision", "ProvisionKind", "SidecarAuthority", "SidecarCertificate", "SidecarEnrolment"]
