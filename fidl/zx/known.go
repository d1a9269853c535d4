package zx

// IsKnown says whether t is one of the types named here. FIDL asks it of
// strict enums.
func (t ObjType) IsKnown() bool {
	_, ok := objTypeNames[t]
	return ok
}

// IsKnown says whether r holds rights named here only. FIDL asks it of strict
// bits.
func (r Rights) IsKnown() bool { return r&^(RightsAll|RightSameRights) == 0 }
