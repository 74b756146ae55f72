#include "install/apply.hpp"

#include "base/error.hpp"
#include "base/undo.hpp"
#include "install/digest.hpp"

#include <cstdio>

namespace banger::install {

namespace {

constexpr unsigned file_mode = 0644;

void complain(const std::string& step, const std::exception& why) {
    std::fprintf(stderr, "banger: could not take back: %s: %s\n", step.c_str(), why.what());
}

/// The metadata while the plan is carried out: files may be as they were (nothing counts as empty), or as
/// they will be.
Metadata under_way(const Plan& plan) {
    auto metadata = plan.after;
    for (auto& file : metadata.files)
        if (const auto* before = plan.before.file(file.path)) {
            file.previous = before->sha256 != file.sha256 ? before->sha256 : before->previous;
            file.foreign = before->foreign;
        }
    for (const auto& change : plan.changes) {
        if (change.kind == ChangeKind::Remove)
            metadata.files.push_back({change.path, sha256(change.before), {}, true});
        for (auto& file : metadata.files)
            // Who comes after must not take somebody else's for ours.
            if (file.path == change.path && change.changes())
                (change.kind == ChangeKind::Save ? file.foreign : file.previous) = sha256(change.before);
    }
    return metadata;
}

class Application {
public:
    explicit Application(const Tree& tree)
        : tree_(tree) {}

    /// Writes `content`, and can put back what was there.
    void write(const std::string& path, const std::string& content) {
        const auto before = tree_.look(path);
        undo_.push("write " + path, [this, path, before] {
            if (before)
                tree_.write(path, before->content, before->mode);
            else
                tree_.remove(path);
        });
        tree_.write(path, content, file_mode);
    }

    void carry_out(const Change& change) {
        if (change.kind == ChangeKind::Save)
            write(aside_path(change.path), change.before);
        if (change.kind == ChangeKind::Remove) {
            undo_.push("remove " + change.path,
                       [this, change] { tree_.write(change.path, change.before, change.mode_before); });
            tree_.remove(change.path);
        } else if (change.changes()) {
            write(change.path, change.content);
        }
    }

    void done() noexcept { undo_.release(); }

private:
    const Tree& tree_;
    UndoStack undo_{complain};
};

} // namespace

void apply(const Tree& tree, const Plan& plan, const std::function<void()>& tell) {
    if (!plan.changes_anything())
        return;
    Application application(tree);
    tree.remove_unfinished(metadata_path);
    for (const auto& change : plan.changes)
        for (const auto& path : {change.path, aside_path(change.path)})
            tree.remove_unfinished(path);
    application.write(metadata_path, render_metadata(under_way(plan)));
    for (const auto& change : plan.changes)
        application.carry_out(change);
    application.done();
    if (tell)
        tell();
    tree.write(metadata_path, render_metadata(plan.after), file_mode);
}

} // namespace banger::install
